"""From trained weights to the shipped folder: calibrated heads, the graph, labels, scores."""

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
    ModelLabels,
    TopicLabel,
    write_checksums,
)
from models.enrichment import SENTIMENTS
from models.probabilities import sigmoid, softmax
from models.text import MAX_TOKENS
from models.training import folds, graph, heads, vectors
from models.training.data import NOISY, TrainingRow
from models.training.encoder import EncoderConfig
from models.training.folds import TopicScores
from models.training.graph import GraphHead, Matrix
from models.training.network import LANGUAGE_LAYERS, Answers, Network
from models.training.prediction import Tokens, predict
from models.training.rounding import Rounding
from models.training.targets import Targets, language_names, topic_names

SCORES_FILE = "scores.json"

_LANGUAGE_PENALTY = 1e-6
_LANGUAGE_SOURCES = ("lingua", "sib200", "fragment", "umsab-train", "afrisenti-train", "x_topic", "undetermined")
_MOST_LANGUAGES_LOST = 0.001
"""Of posts: rightly told languages that the threshold withholds, so that it withholds wrong ones."""

_MOOD_PENALTY = 0.05
_MOOD_SHARE = 0.4
"""Of the head beside the trained one, in the logits of sentiment."""

_TOPIC_STRENGTH = 3e-3
_TOPIC_SHARE = 0.3
"""Of the head beside the trained one, in the logits of topics."""

_VECTOR_PENALTY = 1e-2
_VECTOR_ROWS = 15_000
_MOST_OF_A_GROUP = {"umsab-train": 2_000}
_MOST_OF_OTHER_GROUPS = 400
"""Rows of a set and a language that the language head is fitted on: of posts all, for only they have Hinglish."""

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The heads of the shipped model, what else its labels say, and what was measured on the way."""

    heads: dict[str, GraphHead]
    language_threshold: float
    topic_thresholds: npt.NDArray[np.float32]
    """As logits."""

    campaign: CampaignCalibration
    scores: dict[str, float]


class Rows:
    """The rows of a corpus with a network's answers for them, computed when first asked for."""

    def __init__(self, network: Network, rows: Sequence[TrainingRow], tokens: Tokens, targets: Targets) -> None:
        self.network, self.rows, self.targets = network, rows, targets
        self._tokens = tokens
        self.sources = np.array([row.source for row in rows])

    def of(self, *sources: str) -> Places:
        """Return the places of the rows of these sets."""
        return np.flatnonzero(np.isin(self.sources, sources))

    def answers(self, places: Places) -> Answers:
        """Answer rows."""
        answers: Answers = predict(self.network, self._tokens, places)
        return answers


def _means(answers: Answers) -> npt.NDArray[np.float32]:
    """What the vectors are made of: the means of the language's layers and of the last."""
    last = answers.exits[max(answers.exits)].mean
    return np.concatenate([answers.low.numpy(), last.numpy()], axis=1)


def calibrate(network: Network, rows: Sequence[TrainingRow], tokens: Tokens, targets: Targets, seed: int) -> Calibrated:
    """Fit what is fitted after the training, on rows that were held out of it or, where said, on training rows."""
    known = Rows(network, rows, tokens, targets)
    exits = network.heads[str(max(network.sizes.exits))]
    language, threshold, scores = _language(known, seed)
    sentiment, mood_scores = _sentiment(known, _head(exits.sentiment.linear))
    topics, topic_scores = _topics(known, _head(exits.topics.linear), seed)
    vector, campaign, vector_scores = _vector(known, seed)
    return Calibrated(
        heads={"language": language, "sentiment": sentiment, "topics": topics, "vector": vector},
        language_threshold=threshold,
        topic_thresholds=topic_scores.thresholds,
        campaign=campaign,
        scores=scores
        | mood_scores
        | vector_scores
        | {
            "topics left-out fold macro-F1": topic_scores.macro_f1,
            "topics left-out fold micro-F1": topic_scores.micro_f1,
        },
    )


def _language(known: Rows, seed: int) -> tuple[GraphHead, float, dict[str, float]]:
    """Fit the head anew on the features of training rows: that converges where steps only approach."""
    rng = np.random.default_rng(seed)
    labels = known.targets.language
    groups = []
    for source in _LANGUAGE_SOURCES:
        places, most = known.of(source), _MOST_OF_A_GROUP.get(source, _MOST_OF_OTHER_GROUPS)
        for label in np.unique(labels[places]):
            group = places[labels[places] == label]
            groups.append(rng.choice(group, min(len(group), most), replace=False))
    weights = np.concatenate([np.full(len(group), len(group) ** -0.5, np.float32) for group in groups])
    train = np.concatenate(groups)
    head = heads.fit(known.answers(train).low.numpy(), labels[train], weights, _LANGUAGE_PENALTY)
    held = {name: known.of(name) for name in ("lingua-held", "fragment-held", "umsab-val")}
    found = {name: heads.logits(head, known.answers(places).low.numpy()) for name, places in held.items()}
    unseen = np.concatenate([held["lingua-held"], held["fragment-held"]])
    scored = np.concatenate([found["lingua-held"], found["fragment-held"]])
    warmth = heads.temperature(scored, labels[unseen])
    # posts are what the model is for, and sentences more easily told
    posts, truth = softmax((found["umsab-val"] / warmth).astype(np.float32)), labels[held["umsab-val"]]
    threshold = heads.least_likely(posts.max(axis=1), posts.argmax(axis=1) == truth, _MOST_LANGUAGES_LOST)
    scores = {
        f"language {name} accuracy": 100 * float(np.mean(found[name].argmax(axis=1) == labels[held[name]]))
        for name in held
    }
    return heads.cooled(head, warmth), threshold, scores


def _topics(known: Rows, trained: GraphHead, seed: int) -> tuple[GraphHead, TopicScores]:
    """Put a head beside the trained one that is fitted on the means of the averaged network: both together are better."""
    places, fold = folds.places_and_folds(known.rows, seed)
    present = known.targets.topics[places] > 0
    answers = known.answers(places)
    means, logits = _means(answers), answers.exits[max(known.network.sizes.exits)].topics.numpy()
    left_out = fold == folds.LEFT_OUT
    beside = heads.fit_each(means[~left_out], present[~left_out], _TOPIC_STRENGTH)
    mixed = (1 - _TOPIC_SHARE) * logits[left_out] + _TOPIC_SHARE * heads.logits(beside, means[left_out])
    return heads.side_by_side(trained, beside, _TOPIC_SHARE), folds.score(mixed, present[left_out])


def _sentiment(known: Rows, trained: GraphHead) -> tuple[GraphHead, dict[str, float]]:
    """Put a head on what the language is read from beside the trained one: words that the deep layers lost count again.

    Both are cooled by one number, fitted on UMSAB's validation rows without the noisy language.
    """
    noisy = language_names(known.rows).index(NOISY)
    taught = known.of("umsab-train")
    taught = taught[known.targets.language[taught] != noisy]
    equal = np.ones(len(taught), np.float32)
    low, moods = known.answers(taught).low.numpy(), known.targets.sentiment[taught]
    beside = heads.fit(low, moods, equal, _MOOD_PENALTY)
    places = known.of("umsab-val")
    places = places[known.targets.language[places] != noisy]
    answers = known.answers(places)
    own = answers.exits[max(known.network.sizes.exits)].sentiment.numpy()
    mixed = (1 - _MOOD_SHARE) * own + _MOOD_SHARE * heads.logits(beside, answers.low.numpy())
    warmth = heads.temperature(mixed, known.targets.sentiment[places])
    head = heads.side_by_side(trained, beside, _MOOD_SHARE)
    return heads.cooled(head, warmth), {"sentiment temperature": warmth}


def _vector(known: Rows, seed: int) -> tuple[GraphHead, CampaignCalibration, dict[str, float]]:
    """Fit what the teacher said on the means that the network left, then the map and the curve of campaign topics."""
    said = np.flatnonzero(known.targets.has_vector)
    said = np.random.default_rng(seed).permutation(said)[:_VECTOR_ROWS]
    means = _means(known.answers(said))
    head = heads.regress(means, known.targets.vector[said], _VECTOR_PENALTY)
    apart = vectors.posts_apart([known.rows[place] for place in said.tolist()], heads.logits(head, means))
    head = apart.after(head)
    trials = {}
    for source in ("x_topic", "sib200-held"):
        places = known.of(source)
        labels = [known.rows[place].topics or () for place in places.tolist()]
        trials[source] = vectors.trials(labels, vectors.unit(heads.logits(head, _means(known.answers(places)))))
    scores = {f"campaign AUC {name}": float(np.mean([trial.area for trial in each])) for name, each in trials.items()}
    return head, vectors.calibrate([trial for each in trials.values() for trial in each]), scores


def _head(linear: object) -> GraphHead:
    weight, bias = linear.weight.detach().numpy(), linear.bias.detach().numpy()  # type: ignore[attr-defined]
    return GraphHead(weight, bias)


def build(
    network: Network, config: EncoderConfig, calibrated: Mapping[str, GraphHead], rounding: Mapping[str, Rounding]
) -> onnx.ModelProto:
    """Build the graph of the network's deepest exit."""
    weights: dict[str, Matrix] = {name: each.detach().numpy() for name, each in network.state_dict().items()}
    shape = graph.Shape(
        heads=config.num_attention_heads,
        depth=max(network.sizes.exits),
        language_layers=LANGUAGE_LAYERS,
        epsilon=config.layer_norm_eps,
    )
    return graph.build(weights, shape, calibrated, rounding, MAX_TOKENS)


def labels(rows: Sequence[TrainingRow], name: str, version: str, calibrated: Calibrated) -> ModelLabels:
    """Say what the columns mean."""
    limits = sigmoid(calibrated.topic_thresholds)
    return ModelLabels(
        name=name,
        version=version,
        prefix="",
        languages=language_names(rows),
        language_threshold=calibrated.language_threshold,
        sentiments=SENTIMENTS,
        topics=tuple(
            TopicLabel(name=topic, threshold=round(float(limit), 4))
            for topic, limit in zip(topic_names(rows), limits, strict=True)
        ),
        campaign=calibrated.campaign,
    )


def write(
    model: onnx.ModelProto, tokenizer: Path, labels: ModelLabels, scores: Mapping[str, float], folder: Path
) -> None:
    """Write the artefact: model, tokenizer, labels, checksums, and what the training measured."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_FILE).write_bytes(model.SerializeToString())
    shutil.copyfile(tokenizer, folder / TOKENIZER_FILE)
    (folder / LABELS_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(labels), indent=1) + b"\n")
    rounded = {name: round(value, 4) for name, value in scores.items()}
    (folder / SCORES_FILE).write_text(json.dumps(rounded, indent=1) + "\n", "utf-8")
    write_checksums(folder)
