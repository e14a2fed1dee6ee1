"""The folds of X-Topic: a fifth is left out of every training, to score the topics and set their thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import f1_score

from models.training.data import TrainingRow
from models.training.heads import matching_threshold

FOLDS = 5
LEFT_OUT = 0
"""The fold that is never trained on."""


def places_and_folds(rows: Sequence[TrainingRow], seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the indices of the X-Topic rows, and the fold of each."""
    indices = np.flatnonzero([row.source == "x_topic" for row in rows])
    return indices, np.random.default_rng(seed).permutation(len(indices)) % FOLDS


@dataclass(frozen=True, slots=True)
class TopicScores:
    """F1 (0 to 1) on the left-out fold, and the threshold of each topic as a logit."""

    macro_f1: float
    micro_f1: float
    thresholds: npt.NDArray[np.float32]


def score(logits: npt.NDArray[np.float32], present: npt.NDArray[np.bool_]) -> TopicScores:
    """Score rows that were not trained on, each half with thresholds from the other half; return thresholds from all."""
    predicted = np.zeros_like(present)
    half = np.arange(len(present)) % 2 == 0
    for kept in (half, ~half):
        predicted[~kept] = logits[~kept] >= _thresholds(logits[kept], present[kept])
    return TopicScores(
        macro_f1=float(f1_score(present, predicted, average="macro", zero_division=0)),
        micro_f1=float(f1_score(present, predicted, average="micro")),
        thresholds=_thresholds(logits, present),
    )


def _thresholds(logits: npt.NDArray[np.float32], present: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    return np.array(
        [matching_threshold(logits[:, each], present[:, each]) for each in range(present.shape[1])], np.float32
    )
