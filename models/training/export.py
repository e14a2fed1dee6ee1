"""Exports trained weights as an artefact: calibrated heads, ONNX graph, labels and scores."""

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import nn

from models.artefact import (
    MODEL_FILE,
    TOKENIZER_FILE,
    CampaignCalibration,
    Label,
    ModelLabels,
    write_labels,
)
from models.enrichment import SENTIMENTS
from models.errors import TrainingDataError
from models.heads import HEADS, LANGUAGE_FIT, VECTOR_FIT, Fitted, Head
from models.probabilities import sigmoid, softmax
from models.text import MAX_TOKENS
from models.training import domains, folds, graph, heads, priors, thresholds, vectors
from models.training.data import TrainingRow
from models.training.domains import is_published
from models.training.encoder import EncoderConfig
from models.training.graph import GraphHead, Matrix
from models.training.network import LOW_LAYERS, Answers, MultiHeadNetwork
from models.training.notice import NOTICE_FILE, notice
from models.training.prediction import Tokens, combined, predict
from models.training.rounding import Rounding
from models.training.targets import Target, Targets, encode, label_names, labels_of
from models.training.thresholds import Thresholds

SCORES_FILE = "scores.json"

_NAMED = ("language", "sentiment", "vector")
"""Heads whose labels are fields of `ModelLabels`, besides `topics`, or that have none."""

_MOST_LANGUAGES_LOST = 0.001
"""Maximum share of posts whose correct language the threshold may withhold in order to withhold wrong ones."""

CAMPAIGN_SETS = ("x_topic", "sib200-held")
"""Data sets on which campaigns are simulated to fit the curve of the campaign topics."""

_VECTOR_ROWS = 15_000
_MOST_OF_A_GROUP = {"umsab-train": 2_000, "lingua": 500}
_MOST_OF_OTHER_GROUPS = 150
"""Maximum rows per set, language and label to fit a head on after training."""

PRIOR_STRENGTH = 0.5
PRIOR_WEIGHT = 1.0
"""How far the prior of the sentiments goes from equal shares, and the number of sets that the mean over languages counts as."""

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The heads of the shipped model, the thresholds and calibration in its labels, and the measured scores."""

    heads: dict[str, GraphHead]
    thresholds: dict[str, Thresholds]
    """By head of which several labels may apply."""

    sentiment_prior: dict[str, tuple[float, float, float]]
    """By language; see `ModelLabels`."""

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
        self._places = np.full(len(rows), -1)
        self._known: Answers | None = None
        self.sources = np.array([row.source for row in rows])
        self.published = np.array([is_published(row) for row in rows], np.bool_)

    def of(self, *sources: str) -> Places:
        """Return the indices of the rows from these sources."""
        return np.flatnonzero(np.isin(self.sources, sources))

    def answers(self, indices: Places) -> Answers:
        """Return the network's answers for the rows at these indices; each row is computed once."""
        fresh = np.unique(indices[self._places[indices] < 0])
        if len(fresh) or self._known is None:
            answers = predict(self.network, self._tokens, fresh)
            self._places[fresh] = np.arange(len(fresh)) + (len(self._known.low) if self._known else 0)
            self._known = combined(torch.cat, [self._known, answers]) if self._known else answers
        places = torch.from_numpy(self._places[indices])
        return combined(lambda known: known[0][places], [self._known])


def _features(answers: Answers, fitted: Fitted) -> npt.NDArray[np.float32]:
    """Return what a head that is fitted after training reads (posts x width)."""
    if fitted.features == "means":
        return np.concatenate([answers.low, answers.deepest.mean], axis=1)
    features: npt.NDArray[np.float32] = getattr(answers, fitted.features).numpy()
    return features


def calibrate(
    network: MultiHeadNetwork, rows: Sequence[TrainingRow], tokens: Tokens, targets: Targets, seed: int
) -> Calibrated:
    """Fit everything that is fitted after training, on held-out rows or, where documented, on training rows."""
    corpus = Rows(network, rows, tokens, targets)
    language, threshold, scores = _language(corpus, seed)
    vector, campaign, vector_scores = _vector(corpus, seed)
    found = {"language": language, "vector": vector}
    scores |= vector_scores
    limits = {}
    for head in HEADS.values():
        if head.name not in found:
            found[head.name], held_out, measured = _combined(corpus, head, seed)
            scores |= measured
            if held_out is not None:
                limits[head.name] = held_out
    network.to("cpu")
    prior = priors.log_odds(priors.shares(rows, PRIOR_WEIGHT), PRIOR_STRENGTH)
    return Calibrated({name: found[name] for name in HEADS}, limits, prior, threshold, campaign, scores)


def _language(corpus: Rows, seed: int) -> tuple[GraphHead, float, dict[str, float]]:
    """Take the mean of the trained language head and of one fitted on the features of training rows.

    Unlike the training steps, the fit converges: it is better on whole sentences, the trained head on posts.
    """
    targets = corpus.targets["language"]
    labels, count = labels_of(targets), targets.values.shape[1]
    fitted = folds.split(HEADS["language"], corpus.rows, seed).fitted
    train, weights = _sample(corpus, fitted, labels, seed)
    features = _features(corpus.answers(train), LANGUAGE_FIT)
    converged = heads.fit(features, labels[train], weights, LANGUAGE_FIT.penalty, count=count)
    head = heads.mean(_trained(corpus.network.heads["words"]["language"]), converged, LANGUAGE_FIT.share)

    def held(published: bool, *sources: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        indices = corpus.of(*sources)
        indices = indices[corpus.published[indices] == published]
        return heads.logits(head, _features(corpus.answers(indices), LANGUAGE_FIT)), labels[indices]

    temperature = heads.temperature(*held(False, "lingua-held", "fragment-held"))
    # the threshold is set on posts, which the model is for; whole sentences are easier to identify
    scored, truth = held(False, "umsab-val")
    posts = softmax((scored / temperature).astype(np.float32))
    threshold = heads.least_likely(posts.max(axis=1), posts.argmax(axis=1) == truth, _MOST_LANGUAGES_LOST)
    scores = {}
    for name in ("lingua-held", "fragment-held", "umsab-val"):
        scored, truth = held(True, name)
        scores[f"language {name} accuracy"] = 100 * float(np.mean(scored.argmax(axis=1) == truth))
    return heads.cooled(head, temperature), threshold, scores


def _sample(
    corpus: Rows, indices: Places, labels: npt.NDArray[np.int64], seed: int
) -> tuple[Places, npt.NDArray[np.float32]]:
    """Sample rows of each set, language and label; the labels of a set and language have equal weights together.

    Returns:
        Indices, and the weight of each.
    """
    rng = np.random.default_rng(seed)
    groups: dict[tuple[str, str | None, int], list[int]] = defaultdict(list)
    for index in indices.tolist():
        row = corpus.rows[index]
        groups[row.source, row.language, int(labels[index])].append(index)
    chosen, weights = [], []
    for (source, _, _), members in groups.items():
        most = _MOST_OF_A_GROUP.get(source, _MOST_OF_OTHER_GROUPS)
        chosen.append(rng.choice(members, min(len(members), most), replace=False))
        weights.append(np.full(len(chosen[-1]), len(chosen[-1]) ** -0.5, np.float32))
    return np.concatenate(chosen), np.concatenate(weights)


def _trained(linear: nn.Linear) -> GraphHead:
    return GraphHead(*(each.detach().cpu().numpy() for each in (linear.weight, linear.bias)))


def _combined(corpus: Rows, head: Head, seed: int) -> tuple[GraphHead, Thresholds | None, dict[str, float]]:
    """Combine a trained head with the one fitted after training, and calibrate both together on held-out rows.

    Both are better than either alone: the second brings back words that the deep layers lose.

    Returns:
        The head, the threshold of each label if several may apply, and the measured scores.
    """
    parts = folds.split(head, corpus.rows, seed)
    if not len(parts.chosen):
        raise TrainingDataError(
            f"there are no rows to calibrate the head {head.name} on: {', '.join(head.calibrated_on) or 'held-out rows'}"
        )
    target = encode(head, corpus.rows)
    found = _trained(corpus.network.heads[str(max(corpus.network.sizes.exits))][head.name].linear)
    fitted, second = head.fitted, None
    if fitted:
        second = _second(corpus, head, fitted, parts.fitted, target, seed)
        found = heads.side_by_side(found, second, fitted.share)

    def logits(indices: Places) -> npt.NDArray[np.float32]:
        answers = corpus.answers(indices)
        own: npt.NDArray[np.float32] = answers.deepest.heads[head.name].numpy()
        if not fitted or not second:
            return own
        return (1 - fitted.share) * own + fitted.share * heads.logits(second, _features(answers, fitted))

    decided = np.ones(target.values.shape, np.bool_) if target.decided is None else target.decided
    if head.kind == "several":
        limits = thresholds.choose(*_labels(corpus, parts.chosen, logits, target.values, decided))
        scores = thresholds.score(*_labels(corpus, parts.published, logits, target.values, decided), limits)
        return found, limits, {f"{head.name} {name}": value for name, value in scores.items()}
    possible = np.where(decided[parts.chosen], logits(parts.chosen), -1e4).astype(np.float32)
    weights = domains.weights([corpus.rows[index] for index in parts.chosen.tolist()])
    temperature = heads.temperature(possible, target.values[parts.chosen].argmax(axis=1), weights)
    return heads.cooled(found, temperature), None, {f"{head.name} temperature": temperature}


def _labels(
    corpus: Rows,
    indices: Places,
    logits: Callable[[Places], npt.NDArray[np.float32]],
    values: npt.NDArray[np.floating],
    decided: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_], npt.NDArray[np.bool_], list[str | None]]:
    languages = [corpus.rows[index].language for index in indices.tolist()]
    return logits(indices), values[indices] > 0, decided[indices], languages


def _second(corpus: Rows, head: Head, fit: Fitted, rows: Places, target: Target, seed: int) -> GraphHead:
    """Fit the head that is fitted after training."""
    if head.kind == "several":
        return heads.fit_each(_features(corpus.answers(rows), fit), target.values[rows] > 0, fit.penalty)
    if target.decided is not None:
        rows = rows[target.decided[rows].all(axis=1)]
    labels = labels_of(target)
    chosen, weights = _sample(corpus, rows, labels, seed)
    features = _features(corpus.answers(chosen), fit)
    return heads.fit(features, labels[chosen], weights, fit.penalty, count=target.values.shape[1])


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
    tensors = {**network.state_dict(), **dict(network.named_buffers())}
    weights: dict[str, Matrix] = {name: each.detach().numpy() for name, each in tensors.items()}
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
        overall = sigmoid(limits.overall)
        by_language = {code: sigmoid(own) for code, own in limits.by_language.items()}
        others[head] = tuple(
            Label(
                name=label,
                threshold=round(float(overall[column]), 4),
                by_language={
                    code: round(float(own[column]), 4)
                    for code, own in by_language.items()
                    if own[column] != overall[column]
                },
            )
            for column, label in enumerate(names[head])
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
        sentiment_prior=calibrated.sentiment_prior,
    )


def write(
    model: onnx.ModelProto,
    tokenizer: Path,
    labels: ModelLabels,
    scores: Mapping[str, float],
    rows: Sequence[TrainingRow],
    folder: Path,
) -> None:
    """Write the artefact: model, tokenizer, labels, the measured scores, checksums and the notice on the rows."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_FILE).write_bytes(model.SerializeToString())
    shutil.copyfile(tokenizer, folder / TOKENIZER_FILE)
    rounded = {name: round(value, 4) for name, value in scores.items()}
    (folder / SCORES_FILE).write_text(json.dumps(rounded, indent=1) + "\n", "utf-8")
    (folder / NOTICE_FILE).write_text(notice(f"{labels.name} {labels.version}", rows), "utf-8")
    write_labels(labels, folder)
