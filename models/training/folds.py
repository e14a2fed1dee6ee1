"""The rows that heads are calibrated on; where a set has no held-out part, a fifth of it is left out of every training."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from sklearn.metrics import f1_score

from models.heads import HEADS, Head
from models.training.data import TrainingRow
from models.training.heads import matching_threshold
from models.training.targets import Targets

Places = npt.NDArray[np.int64]

FOLDS = 5
LEFT_OUT = 0
"""The fold that is never trained on."""


def split(head: Head, rows: Sequence[TrainingRow], seed: int) -> tuple[Places, Places]:
    """Return the indices of the labelled rows that a head is fitted on after training, and that it is calibrated on.

    Noisy rows are left out of both. If both are of the same set, the calibration has one fold of it.
    """
    sources = head.fitted.sources if head.fitted else ()
    fitted, calibrated = (
        np.flatnonzero([row.source in names and row.label(head.name) is not None and not row.is_noisy for row in rows])
        for names in (sources, head.calibrated_on)
    )
    if sources != head.calibrated_on:
        return fitted, calibrated
    left_out = np.random.default_rng(seed).permutation(len(fitted)) % FOLDS == LEFT_OUT
    return fitted[~left_out], fitted[left_out]


def for_training(targets: Targets, rows: Sequence[TrainingRow], seed: int) -> Targets:
    """Return the targets without those that a head is calibrated on."""
    kept = dict(targets)
    for head in HEADS.values():
        known = targets[head.name].known.copy()
        known[split(head, rows, seed)[1]] = False
        kept[head.name] = replace(targets[head.name], known=known)
    return kept


@dataclass(frozen=True, slots=True)
class LabelScores:
    """F1 (0 to 1) on the left-out fold, and the threshold of each label as a logit."""

    macro_f1: float
    micro_f1: float
    thresholds: npt.NDArray[np.float32]


def score(logits: npt.NDArray[np.float32], present: npt.NDArray[np.bool_]) -> LabelScores:
    """Score rows that were not trained on, each half with thresholds from the other half; return thresholds from all."""
    predicted = np.zeros_like(present)
    half = np.arange(len(present)) % 2 == 0
    for kept in (half, ~half):
        predicted[~kept] = logits[~kept] >= _thresholds(logits[kept], present[kept])
    return LabelScores(
        macro_f1=float(f1_score(present, predicted, average="macro", zero_division=0)),
        micro_f1=float(f1_score(present, predicted, average="micro")),
        thresholds=_thresholds(logits, present),
    )


def _thresholds(logits: npt.NDArray[np.float32], present: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    return np.array(
        [matching_threshold(logits[:, each], present[:, each]) for each in range(present.shape[1])], np.float32
    )
