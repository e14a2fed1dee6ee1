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
from models.training.network import LANGUAGE_LAYERS, Answers, MultiHeadNetwork
from models.training.prediction import Tokens, predict
from models.training.rounding import Rounding
from models.training.targets import Targets, language_names, topic_names

SCORES_FILE = "scores.json"

_LANGUAGE_PENALTY = 1e-6
_LANGUAGE_SOURCES = ("lingua", "sib200", "fragment", "umsab-train", "afrisenti-train", "x_topic", "undetermined")
_MOST_LANGUAGES_LOST = 0.001
"""Maximum share of posts whose correct language the threshold may withhold in order to withhold wrong ones."""

_SENTIMENT_PENALTY = 0.05
_SENTIMENT_SHARE = 0.4
"""Weight of the second head, beside the trained one, in the logits of sentiment."""

_TOPIC_STRENGTH = 3e-3
_TOPIC_SHARE = 0.3
"""Weight of the second head, beside the trained one, in the logits of topics."""

_VECTOR_PENALTY = 1e-2
_VECTOR_ROWS = 15_000
_MOST_OF_A_GROUP = {"umsab-train": 2_000}
_MOST_OF_OTHER_GROUPS = 400
"""Maximum rows per set and language to fit the language head on; UMSAB's are all used, as only they have Hinglish."""

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The heads of the shipped model, the thresholds and calibration in its labels, and the measured scores."""

    heads: dict[str, GraphHead]
    language_threshold: float
    topic_thresholds: npt.NDArray[np.float32]
    """As logits."""

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


def _means(answers: Answers) -> npt.NDArray[np.float32]:
    """Return the means over tokens of the language layers and of the last layer, concatenated."""
    last = answers.exits[max(answers.exits)].mean
    return np.concatenate([answers.low.numpy(), last.numpy()], axis=1)


def calibrate(
    network: MultiHeadNetwork, rows: Sequence[TrainingRow], tokens: Tokens, targets: Targets, seed: int
) -> Calibrated:
    """Fit everything that is fitted after training, on held-out rows or, where documented, on training rows."""
    corpus = Rows(network, rows, tokens, targets)
    exits = network.heads[str(max(network.sizes.exits))]
    language, threshold, scores = _language(corpus, seed)
    sentiment, sentiment_scores = _sentiment(corpus, _head(exits.sentiment.linear))
    topics, topic_scores = _topics(corpus, _head(exits.topics.linear), seed)
    vector, campaign, vector_scores = _vector(corpus, seed)
    return Calibrated(
        heads={"language": language, "sentiment": sentiment, "topics": topics, "vector": vector},
        language_threshold=threshold,
        topic_thresholds=topic_scores.thresholds,
        campaign=campaign,
        scores=scores
        | sentiment_scores
        | vector_scores
        | {
            "topics left-out fold macro-F1": topic_scores.macro_f1,
            "topics left-out fold micro-F1": topic_scores.micro_f1,
        },
    )


def _language(corpus: Rows, seed: int) -> tuple[GraphHead, float, dict[str, float]]:
    """Refit the language head on the features of training rows; unlike the training steps, this converges."""
    rng = np.random.default_rng(seed)
    labels = corpus.targets.language
    groups = []
    for source in _LANGUAGE_SOURCES:
        indices, most = corpus.of(source), _MOST_OF_A_GROUP.get(source, _MOST_OF_OTHER_GROUPS)
        for label in np.unique(labels[indices]):
            group = indices[labels[indices] == label]
            groups.append(rng.choice(group, min(len(group), most), replace=False))
    weights = np.concatenate([np.full(len(group), len(group) ** -0.5, np.float32) for group in groups])
    train = np.concatenate(groups)
    head = heads.fit(corpus.answers(train).low.numpy(), labels[train], weights, _LANGUAGE_PENALTY)
    held = {name: corpus.of(name) for name in ("lingua-held", "fragment-held", "umsab-val")}
    found = {name: heads.logits(head, corpus.answers(indices).low.numpy()) for name, indices in held.items()}
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


def _topics(corpus: Rows, trained: GraphHead, seed: int) -> tuple[GraphHead, TopicScores]:
    """Combine the trained topic head with a second one, fitted on the means of the averaged network.

    Both together are better than either alone.
    """
    indices, fold = folds.places_and_folds(corpus.rows, seed)
    present = corpus.targets.topics[indices] > 0
    answers = corpus.answers(indices)
    means, logits = _means(answers), answers.exits[max(corpus.network.sizes.exits)].topics.numpy()
    left_out = fold == folds.LEFT_OUT
    second = heads.fit_each(means[~left_out], present[~left_out], _TOPIC_STRENGTH)
    mixed = (1 - _TOPIC_SHARE) * logits[left_out] + _TOPIC_SHARE * heads.logits(second, means[left_out])
    return heads.side_by_side(trained, second, _TOPIC_SHARE), folds.score(mixed, present[left_out])


def _sentiment(corpus: Rows, trained: GraphHead) -> tuple[GraphHead, dict[str, float]]:
    """Combine the trained sentiment head with a second one on the features of the language head.

    The second head brings back words that the deep layers lose. Both share one temperature, fitted on UMSAB's validation
    rows without the noisy language.
    """
    noisy = language_names(corpus.rows).index(NOISY)
    train = corpus.of("umsab-train")
    train = train[corpus.targets.language[train] != noisy]
    equal = np.ones(len(train), np.float32)
    low, labels = corpus.answers(train).low.numpy(), corpus.targets.sentiment[train]
    second = heads.fit(low, labels, equal, _SENTIMENT_PENALTY)
    indices = corpus.of("umsab-val")
    indices = indices[corpus.targets.language[indices] != noisy]
    answers = corpus.answers(indices)
    own = answers.exits[max(corpus.network.sizes.exits)].sentiment.numpy()
    mixed = (1 - _SENTIMENT_SHARE) * own + _SENTIMENT_SHARE * heads.logits(second, answers.low.numpy())
    temperature = heads.temperature(mixed, corpus.targets.sentiment[indices])
    head = heads.side_by_side(trained, second, _SENTIMENT_SHARE)
    return heads.cooled(head, temperature), {"sentiment temperature": temperature}


def _vector(corpus: Rows, seed: int) -> tuple[GraphHead, CampaignCalibration, dict[str, float]]:
    """Fit the vector head to the teacher's vectors, then the map and the curve of campaign topics."""
    train = np.flatnonzero(corpus.targets.has_vector)
    train = np.random.default_rng(seed).permutation(train)[:_VECTOR_ROWS]
    means = _means(corpus.answers(train))
    head = heads.regress(means, corpus.targets.vector[train], _VECTOR_PENALTY)
    apart = vectors.posts_apart([corpus.rows[index] for index in train.tolist()], heads.logits(head, means))
    head = apart.after(head)
    trials = {}
    for source in ("x_topic", "sib200-held"):
        indices = corpus.of(source)
        labels = [corpus.rows[index].topics or () for index in indices.tolist()]
        trials[source] = vectors.trials(labels, vectors.unit(heads.logits(head, _means(corpus.answers(indices)))))
    scores = {f"campaign AUC {name}": float(np.mean([trial.area for trial in each])) for name, each in trials.items()}
    return head, vectors.calibrate([trial for each in trials.values() for trial in each]), scores


def _head(linear: object) -> GraphHead:
    weight, bias = linear.weight.detach().numpy(), linear.bias.detach().numpy()  # type: ignore[attr-defined]
    return GraphHead(weight, bias)


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
        language_layers=LANGUAGE_LAYERS,
        epsilon=config.layer_norm_eps,
    )
    return graph.build(weights, shape, calibrated, rounding, MAX_TOKENS)


def labels(rows: Sequence[TrainingRow], name: str, version: str, calibrated: Calibrated) -> ModelLabels:
    """Return the labels of the output columns."""
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
    """Write the artefact: model, tokenizer, labels, the measured scores and checksums."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_FILE).write_bytes(model.SerializeToString())
    shutil.copyfile(tokenizer, folder / TOKENIZER_FILE)
    (folder / LABELS_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(labels), indent=1) + b"\n")
    rounded = {name: round(value, 4) for name, value in scores.items()}
    (folder / SCORES_FILE).write_text(json.dumps(rounded, indent=1) + "\n", "utf-8")
    write_checksums(folder)
