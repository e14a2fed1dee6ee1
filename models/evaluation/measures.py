"""Measures that scikit-learn lacks, and shares as reports show them.

The calibration is our own: scikit-learn's `calibration_curve` leaves out empty bins and does not count the posts in the
others, so that the expected calibration error cannot be computed from it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

CALIBRATION_BINS = 15
"""Number of bins usual for the expected calibration error (Guo et al., 2017, "On Calibration of Modern Neural Networks")."""

Labels = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Posts in bins of equal width by the probability of their answer; means of empty bins are NaN.

    Attributes:
        edges: Edges of the bins (bins + 1).
        posts: Number of posts in each bin.
        confidence: Mean probability of the answers in each bin.
        accuracy: Share of correct answers in each bin.
    """

    edges: Floats
    posts: Labels
    confidence: Floats
    accuracy: Floats

    @property
    def error(self) -> float:
        """Expected calibration error: mean distance between confidence and accuracy over posts; 0 without posts."""
        filled = self.posts > 0
        distance = np.abs(self.confidence[filled] - self.accuracy[filled])
        return float(distance @ self.posts[filled]) / max(1, int(self.posts.sum()))


def calibration(confidence: Floats, correct: Flags, bins: int = CALIBRATION_BINS) -> Calibration:
    """Bin posts by the probability (0 to 1) of their answer; a bin includes its upper edge."""
    indices = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    posts = np.bincount(indices, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(indices, weights=each, minlength=bins) / posts for each in (confidence, correct)]
    return Calibration(np.linspace(0, 1, bins + 1), posts.astype(np.int64), *means)


def auc(scores: Floats, truth: Flags) -> float | None:
    """Return the area under the ROC curve; None if all posts have the label, or none has."""
    return float(roc_auc_score(truth, scores)) if truth.any() and not truth.all() else None


def percent(share: float) -> float:
    """Return a share in per cent, rounded to two decimals."""
    return round(100 * float(share), 2)


def fraction(share: float) -> float:
    """Return a share rounded to four decimals."""
    return round(float(share), 4)
