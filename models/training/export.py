"""Exports trained weights as an artefact: calibrated heads, ONNX graph, labels and scores."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import onnx

from models.artefact import (
    LABELS_FILE,
    MODEL_FILE,
    TOKENIZER_FILE,
    CampaignCalibration,
    Label,
    ModelLabels,
    write_checksums,
)
from models.enrichment import SENTIMENTS
from models.errors import TrainingDataError
from models.heads import HEADS, LANGUAGE_FIT, VECTOR_FIT, Fitted, Head
from models.probabilities import sigmoid, softmax
from models.text import MAX_TOKENS
from models.training import folds, graph, heads, vectors
from models.training.data import TrainingRow
from models.training.encoder import EncoderConfig
from models.training.graph import GraphHead, Matrix
from models.training.network import LOW_LAYERS, Answers, MultiHeadNetwork
from models.training.prediction import Tokens, predict
from models.training.rounding import Rounding
from models.training.targets import Targets, encode, label_names, labels_of

SCORES_FILE = "scores.json"

_NAMED = ("language", "sentiment", "vector")
"""Heads whose labels are fields of `ModelLabels`, besides `topics`, or that have none."""

_MOST_LANGUAGES_LOST = 0.001
"""Maximum share of posts whose correct language the threshold may withhold in order to withhold wrong ones."""

CAMPAIGN_SETS = ("x_topic", "sib200-held")
"""Data sets on which campaigns are simulated to fit the curve of the campaign topics."""

_VECTOR_ROWS = 15_000
_MOST_OF_A_GROUP = {"umsab-train": 2_000}
_MOST_OF_OTHER_GROUPS = 400
"""Maximum rows per set and language to fit the language head on; UMSAB's are all used, as only they have Hinglish."""

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The heads of the shipped model, the thresholds and calibration in its labels, and the measured scores."""

    heads: dict[str, GraphHead]
    thresholds: dict[str, npt.NDArray[np.float32]]
    """By head of which several labels may apply, as logits."""

    language_threshold: float
    campaign: CampaignCalibration
    scores: dict[str, float]


class Rows:
    """The rows of a corpus, with a network to answer them."""

    def __init__(
        self, network: MultiHeadNetwork, rows: Sequence[TrainingRow], tokens: Tokens, targets: Targets
    ) -> None:
        self.network, self.rows, self.targets = network, rows, targets
        self._tokens = tokens
        self.sources = np.array([row.source for row in rows])

    def of(self, *sources: str) -> Places:
        """Return the indices of the rows from these sources."""
        return np.flatnonzero(np.isin(self.sources, sources))

    def answers(self, indices: Places) -> Answers:
        """Return the network's answers for the rows at these indices."""
        answers: Answers = predict(self.network, self._tokens, indices)
        return answers


def _features(answers: Answers, fitted: Fitted) -> npt.NDArray[np.float32]:
    """Return what a head that is fitted after training reads (posts x width)."""
    low: npt.NDArray[np.float32] = answers.low.numpy()
    return low if fitted.features == "low" else np.concatenate([low, answers.deepest.mean], axis=1)


def calibrate(
    network: MultiHeadNetwork, rows: Sequence[TrainingRow], tokens: Tokens, targets: Targets, seed: int
) -> Calibrated:
    """Fit everything that is fitted after training, on held-out rows or, where documented, on training rows."""
    corpus = Rows(network, rows, tokens, targets)
    language, threshold, scores = _language(corpus, seed)
    vector, campaign, vector_scores = _vector(corpus, seed)
    found = {"language": language, "vector": vector}
    scores |= vector_scores
    thresholds = {}
    for head in HEADS.values():
        if head.name not in found:
            found[head.name], held_out, measured = _combined(corpus, head, seed)
            scores |= measured
            if held_out is not None:
                thresholds[head.name] = held_out
    return Calibrated({name: found[name] for name in HEADS}, thresholds, threshold, campaign, scores)


def _language(corpus: Rows, seed: int) -> tuple[GraphHead, float, dict[str, float]]:
    """Refit the language head on the features of training rows; unlike the training steps, this converges."""
    rng = np.random.default_rng(seed)
    targets = corpus.targets["language"]
    labels, count = labels_of(targets), targets.values.shape[1]
    groups = []
    for source in LANGUAGE_FIT.sources:
        indices, most = corpus.of(source), _MOST_OF_A_GROUP.get(source, _MOST_OF_OTHER_GROUPS)
        for label in np.unique(labels[indices]):
            group = indices[labels[indices] == label]
            groups.append(rng.choice(group, min(len(group), most), replace=False))
    weights = np.concatenate([np.full(len(group), len(group) ** -0.5, np.float32) for group in groups])
    train = np.concatenate(groups)
    features = _features(corpus.answers(train), LANGUAGE_FIT)
    head = heads.fit(features, labels[train], weights, LANGUAGE_FIT.penalty, count=count)
    held = {name: corpus.of(name) for name in ("lingua-held", "fragment-held", "umsab-val")}
    found = {
        name: heads.logits(head, _features(corpus.answers(indices), LANGUAGE_FIT)) for name, indices in held.items()
    }
    unseen = np.concatenate([held["lingua-held"], held["fragment-held"]])
    scored = np.concatenate([found["lingua-held"], found["fragment-held"]])
    temperature = heads.temperature(scored, labels[unseen])
    # the threshold is set on posts, which the model is for; whole sentences are easier to identify
    posts, truth = softmax((found["umsab-val"] / temperature).astype(np.float32)), labels[held["umsab-val"]]
    threshold = heads.least_likely(posts.max(axis=1), posts.argmax(axis=1) == truth, _MOST_LANGUAGES_LOST)
    scores = {
        f"language {name} accuracy": 100 * float(np.mean(found[name].argmax(axis=1) == labels[held[name]]))
        for name in held
    }
    return heads.cooled(head, temperature), threshold, scores


def _combined(
    corpus: Rows, head: Head, seed: int
) -> tuple[GraphHead, npt.NDArray[np.float32] | None, dict[str, float]]:
    """Combine a trained head with the one fitted after training, and calibrate both together on held-out rows.

    Both are better than either alone: the second brings back words that the deep layers lose.

    Returns:
        The head, the threshold of each label as a logit if several may apply, and the measured scores.
    """
    fitted_on, held_out = folds.split(head, corpus.rows, seed)
    if not len(held_out):
        raise TrainingDataError(
            f"there are no rows to calibrate the head {head.name} on: {', '.join(head.calibrated_on)}"
        )
    wanted = encode(head, corpus.rows).values
    answers = corpus.answers(held_out)
    linear = corpus.network.heads[str(max(corpus.network.sizes.exits))][head.name].linear
    found = GraphHead(linear.weight.detach().numpy(), linear.bias.detach().numpy())
    logits = answers.deepest.heads[head.name].numpy()
    if head.fitted:
        features, share, penalty = (
            _features(corpus.answers(fitted_on), head.fitted),
            head.fitted.share,
            head.fitted.penalty,
        )
        if head.kind == "several":
            second = heads.fit_each(features, wanted[fitted_on] > 0, penalty)
        else:
            equal = np.ones(len(fitted_on), np.float32)
            second = heads.fit(features, wanted[fitted_on].argmax(axis=1), equal, penalty, count=wanted.shape[1])
        logits = (1 - share) * logits + share * heads.logits(second, _features(answers, head.fitted))
        found = heads.side_by_side(found, second, share)
    if head.kind == "several":
        scored = folds.score(logits, wanted[held_out] > 0)
        measured = {"macro-F1": scored.macro_f1, "micro-F1": scored.micro_f1}
        named = {f"{head.name} left-out fold {name}": value for name, value in measured.items()}
        return found, scored.thresholds, named
    temperature = heads.temperature(logits, wanted[held_out].argmax(axis=1))
    return heads.cooled(found, temperature), None, {f"{head.name} temperature": temperature}


def _vector(corpus: Rows, seed: int) -> tuple[GraphHead, CampaignCalibration, dict[str, float]]:
    """Fit the vector head to the teacher's vectors, then the map and the curve of campaign topics."""
    targets = corpus.targets["vector"]
    train = np.flatnonzero(targets.known)
    train = np.random.default_rng(seed).permutation(train)[:_VECTOR_ROWS]
    means = _features(corpus.answers(train), VECTOR_FIT)
    head = heads.regress(means, targets.values[train], VECTOR_FIT.penalty)
    apart = vectors.posts_apart([corpus.rows[index] for index in train.tolist()], heads.logits(head, means))
    head = apart.after(head)
    simulated = {}
    for source in CAMPAIGN_SETS:
        indices = vectors.sample(corpus.of(source), seed)
        found = vectors.unit(heads.logits(head, _features(corpus.answers(indices), VECTOR_FIT)))
        simulated[source] = vectors.simulate([corpus.rows[index] for index in indices.tolist()], found)
    scores = {f"campaign AUC {name}": float(np.mean([one.area for one in each])) for name, each in simulated.items()}
    return head, vectors.calibrate([one for each in simulated.values() for one in each]), scores


def build(
    network: MultiHeadNetwork,
    config: EncoderConfig,
    calibrated: Mapping[str, GraphHead],
    rounding: Mapping[str, Rounding],
) -> onnx.ModelProto:
    """Build the graph of the network's deepest exit."""
    weights: dict[str, Matrix] = {name: each.detach().numpy() for name, each in network.state_dict().items()}
    shape = graph.Shape(
        heads=config.num_attention_heads,
        depth=max(network.sizes.exits),
        low_layers=LOW_LAYERS,
        epsilon=config.layer_norm_eps,
    )
    return graph.build(weights, shape, calibrated, rounding, MAX_TOKENS)


def labels(rows: Sequence[TrainingRow], name: str, version: str, calibrated: Calibrated) -> ModelLabels:
    """Return the labels of the output columns."""
    names = {head.name: label_names(head, rows) for head in HEADS.values()}
    others = {head: tuple(Label(name=label) for label in names[head]) for head in names if head not in _NAMED}
    for head, limits in calibrated.thresholds.items():
        others[head] = tuple(
            Label(name=label, threshold=round(float(limit), 4))
            for label, limit in zip(names[head], sigmoid(limits), strict=True)
        )
    return ModelLabels(
        name=name,
        version=version,
        prefix="",
        languages=names["language"],
        language_threshold=calibrated.language_threshold,
        sentiments=SENTIMENTS,
        topics=others.pop("topics"),
        campaign=calibrated.campaign,
        heads=others,
    )


def write(
    model: onnx.ModelProto, tokenizer: Path, labels: ModelLabels, scores: Mapping[str, float], folder: Path
) -> None:
    """Write the artefact: model, tokenizer, labels, the measured scores and checksums."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_FILE).write_bytes(model.SerializeToString())
    shutil.copyfile(tokenizer, folder / TOKENIZER_FILE)
    rounded = {name: round(value, 4) for name, value in scores.items()}
    (folder / SCORES_FILE).write_text(json.dumps(rounded, indent=1) + "\n", "utf-8")
    write_labels(labels, folder)


def write_labels(labels: ModelLabels, folder: Path) -> None:
    """Write the labels and the checksums of an artefact."""
    (folder / LABELS_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(labels), indent=1) + b"\n")
    write_checksums(folder)
