"""The three tasks of the model: which rows each head is fitted on, with what weights, and how it scores."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import f1_score

from models.training.corpus import is_held_out
from models.training.data import Row
from models.training.heads import (
    Floats,
    Head,
    best_threshold,
    fit,
    fit_each,
    out_of_fold,
    temperature,
)

Features = npt.NDArray[np.float16]
Scores = dict[str, float]

LANGUAGE_PENALTY = 1e-6
SENTIMENT_PENALTY = 1e-1
TOPIC_PENALTY = 1e-1
_SENTIMENT_WEIGHTS = {"umsab-train": 1.0, "semeval": 0.3, "afrisenti-train": 0.2, "emosent": 0.3, "undetermined": 0.1}
_FOLDS = 5
_SILENT = 300


@dataclass(frozen=True, slots=True)
class Fitted:
    """A head whose logits are calibrated, the names of its columns, and scores on rows it has not seen."""

    head: Head
    names: tuple[str, ...]
    scores: Scores
    thresholds: tuple[float, ...] = ()


def language(rows: Sequence[Row], features: Features) -> Fitted:
    """Every row with a language; groups of a source and a language count by the square root of their size."""
    names = tuple(sorted({row.language for row in rows if row.language}))
    labels = np.array([names.index(row.language) if row.language else -1 for row in rows])
    held = np.array([is_held_out(row) for row in rows])
    noisy = np.array([row.source == "semeval" for row in rows])  # other languages among the English
    train = np.flatnonzero(~held & ~noisy & (labels >= 0))
    kept = [rows[index] for index in train.tolist()]
    groups = Counter((row.source, row.language) for row in kept)
    weights = np.array([groups[row.source, row.language] ** -0.5 for row in kept], np.float32)
    head = fit(features[train], labels[train], weights, LANGUAGE_PENALTY)

    sources = np.array([row.source for row in rows])
    calibration = np.flatnonzero(np.isin(sources, ["afrisenti-dev", "fragment-held", "lingua-held"]))
    head = head.cooled(temperature(head(features[calibration]), labels[calibration]))
    scores = {}
    for source in ("umsab-val", "lingua-held", "fragment-held", "afrisenti-dev", "undetermined-held"):
        chosen = np.flatnonzero(sources == source)
        scores[f"{source} accuracy"] = float(np.mean(head(features[chosen]).argmax(axis=1) == labels[chosen]))
    romanised = np.flatnonzero((sources == "umsab-val") & (labels == names.index("hi-Latn")))
    scores["hi-Latn recall"] = float(np.mean(head(features[romanised]).argmax(axis=1) == names.index("hi-Latn")))
    return Fitted(head, names, scores)


def sentiment(rows: Sequence[Row], features: Features) -> Fitted:
    """UMSAB training rows, the other sets at lower weights; the temperature is fitted out of fold."""
    sources = np.array([row.source for row in rows])
    labels = np.array([-1 if row.sentiment is None else row.sentiment for row in rows])
    train = np.flatnonzero(np.isin(sources, list(_SENTIMENT_WEIGHTS)) & (labels >= 0))
    weights = np.array([_SENTIMENT_WEIGHTS[source] for source in sources[train]], np.float32)
    head = fit(features[train], labels[train], weights, SENTIMENT_PENALTY)
    scored = sources[train] == "umsab-train"
    unseen = out_of_fold(features[train], labels[train], weights, SENTIMENT_PENALTY, scored)
    head = head.cooled(temperature(unseen, labels[train][scored]))

    scores = {}
    languages = np.array([row.language or "" for row in rows])
    for code in sorted(set(languages[sources == "umsab-val"])):
        chosen = np.flatnonzero((sources == "umsab-val") & (languages == code))
        scores[f"umsab-val {code} macro-F1"] = _macro(labels[chosen], head(features[chosen]))
    clean = [value for name, value in scores.items() if "hi-Latn" not in name]
    scores["umsab-val mean of 7 macro-F1"] = float(np.mean(clean))
    return Fitted(head, ("negative", "neutral", "positive"), scores)


def topics(rows: Sequence[Row], features: Features) -> Fitted:
    """One logistic regression a topic on X-Topic, with texts that say nothing; thresholds maximise out-of-fold F1."""
    chosen = np.flatnonzero([row.source == "x_topic" for row in rows])
    silent = np.flatnonzero([row.source == "undetermined" and row.topics is not None for row in rows])
    silent = silent[:_SILENT]
    answers = [rows[index].topics or () for index in chosen.tolist()]
    names = tuple(sorted({name for answer in answers for name in answer}))
    present = np.array([[name in answer for name in names] for answer in answers])
    posts, silence = features[chosen], np.zeros((len(silent), len(names)), np.bool_)

    def fit_with_silence(kept: npt.NDArray[np.bool_]) -> Head:
        training = np.concatenate([posts[kept], features[silent]])
        return fit_each(training, np.concatenate([present[kept], silence]), TOPIC_PENALTY)

    folds = np.random.default_rng(0).permutation(len(posts)) % _FOLDS
    logits = np.empty(present.shape, np.float32)
    for fold in range(_FOLDS):
        logits[folds == fold] = fit_with_silence(folds != fold)(posts[folds == fold])
    head = fit_with_silence(folds >= 0)
    predicted = np.zeros_like(present)
    for fold in range(_FOLDS):  # a fold is scored with thresholds that have not seen it
        kept, left_out = folds != fold, folds == fold
        limits = [best_threshold(logits[kept, column], present[kept, column]) for column in range(len(names))]
        predicted[left_out] = logits[left_out] >= np.array(limits)
    limits = [best_threshold(logits[:, column], present[:, column]) for column in range(len(names))]
    scores = {
        "5-fold macro-F1": float(f1_score(present, predicted, average="macro")),
        "5-fold micro-F1": float(f1_score(present, predicted, average="micro")),
    }
    return Fitted(head, names, scores, tuple(float(1 / (1 + np.exp(-limit))) for limit in limits))


def _macro(labels: npt.NDArray[np.int64], logits: Floats) -> float:
    return 100 * float(f1_score(labels, logits.argmax(axis=1), average="macro"))
