"""Scores of the model on folders of labelled posts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.enricher import TextEnricher
from models.errors import EvaluationDataError

SENTIMENTS = ("negative", "neutral", "positive")


@dataclass(frozen=True, slots=True)
class LabelledPosts:
    """Texts with their sentiment (0 negative, 1 neutral, 2 positive)."""

    texts: tuple[str, ...]
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SentimentScore:
    """Macro-F1 in per cent over the three sentiments, and the number of posts."""

    macro_f1: float
    posts: int


def read_sentiment(folder: Path, split: str) -> dict[str, LabelledPosts]:
    """Read `{split}_text.txt` and `{split}_labels.txt` of a folder, or of each folder in it, by folder name.

    Raises:
        EvaluationDataError: no such files, or texts and labels that do not belong together.
    """
    if not folder.is_dir():
        raise EvaluationDataError(f"{folder} is not a folder")
    places = [folder] if (folder / f"{split}_text.txt").is_file() else sorted(folder.iterdir())
    found = {place.name: _read(place, split) for place in places if (place / f"{split}_text.txt").is_file()}
    if not found:
        raise EvaluationDataError(f"{folder} holds no {split}_text.txt, nor does any folder in it")
    return found


def score_sentiment(enricher: TextEnricher, posts: LabelledPosts) -> SentimentScore:
    """Score the labels that the model gives."""
    answers = enricher.enrich(posts.texts)
    predicted = np.array([SENTIMENTS.index(answer.sentiment.label) for answer in answers])
    return SentimentScore(macro_f1=round(100 * macro_f1(posts.labels, predicted), 2), posts=len(answers))


def macro_f1(truth: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64]) -> float:
    """Return the mean F1 over the labels that occur on either side."""
    return float(np.mean([_f1(truth == label, predicted == label) for label in np.union1d(truth, predicted)]))


def _f1(truth: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_]) -> float:
    return 2 * float(np.sum(truth & predicted)) / float(np.sum(truth) + np.sum(predicted))


def _read(folder: Path, split: str) -> LabelledPosts:
    text_path, label_path = folder / f"{split}_text.txt", folder / f"{split}_labels.txt"
    texts = _lines(text_path)
    labels = [_label(label_path, number, line) for number, line in enumerate(_lines(label_path), start=1)]
    if len(texts) != len(labels):
        raise EvaluationDataError(f"{text_path} has {len(texts)} lines, {label_path} {len(labels)}: they must agree")
    if not texts:
        raise EvaluationDataError(f"{text_path} is empty")
    return LabelledPosts(tuple(texts), np.array(labels, np.int64))


def _lines(path: Path) -> Sequence[str]:
    """Split at line feeds only: posts hold other characters that Python takes for line ends."""
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationDataError(f"{path}: {error}") from error
    return text.removesuffix("\n").split("\n") if text else []


def _label(path: Path, number: int, line: str) -> int:
    if line.strip() not in {"0", "1", "2"}:
        raise EvaluationDataError(f"{path}:{number}: a label is 0, 1 or 2, not {line!r}")
    return int(line)
