"""Classification metrics as pure functions of arrays; each agrees with the metric of that name in scikit-learn.

Labels are integers from 0. The docstrings say what is returned where a metric is undefined (no such label, no posts).
"""

from dataclasses import dataclass
from typing import NamedTuple, SupportsFloat

import numpy as np
import numpy.typing as npt

CALIBRATION_BINS = 15
"""Number of bins usual for the expected calibration error (Guo et al., 2017, "On Calibration of Modern Neural Networks")."""

Labels = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def confusion(truth: Labels, predicted: Labels, labels: int) -> Labels:
    """Return the counts of posts by true (row) and predicted label (column), a `labels` x `labels` matrix."""
    counts = np.bincount(truth * labels + predicted, minlength=labels * labels)
    return counts.reshape(labels, labels).astype(np.int64)


def accuracy(matrix: Labels) -> float:
    """Return the share of posts on the diagonal of a confusion matrix; 0 without posts."""
    return _share(np.trace(matrix), matrix.sum())


def macro_f1(matrix: Labels) -> float:
    """Return the mean F1 over the labels that occur as true or predicted labels; 0 without posts."""
    f1, occurs = _f1(matrix), matrix.sum(axis=0) + matrix.sum(axis=1) > 0
    return _share(f1 @ occurs, occurs.sum())


def weighted_f1(matrix: Labels) -> float:
    """Return the mean F1 over the true labels, weighted by their number of posts; 0 without posts."""
    posts = matrix.sum(axis=1)
    return _share(_f1(matrix) @ posts, posts.sum())


def macro_recall(matrix: Labels) -> float:
    """Return the mean recall over the labels that occur as true labels (balanced accuracy); 0 without posts."""
    posts = matrix.sum(axis=1)
    return _share((np.diagonal(matrix) / np.maximum(posts, 1)).sum(), (posts > 0).sum())


class ConfusionCounts(NamedTuple):
    """Counts of hits, false alarms and misses, for one binary label or summed over several."""

    true_positive: int
    false_positive: int
    false_negative: int

    @classmethod
    def of(cls, truth: Flags, predicted: Flags) -> "ConfusionCounts":
        """Count over two boolean arrays of the same shape."""
        return cls(int((truth & predicted).sum()), int((~truth & predicted).sum()), int((truth & ~predicted).sum()))

    @property
    def posts(self) -> int:
        """Number of posts that truly have the label."""
        return self.true_positive + self.false_negative

    @property
    def occurs(self) -> bool:
        """Whether the label occurs as a true or predicted label."""
        return sum(self) > 0

    @property
    def precision(self) -> float:
        """Share of the predicted labels that are correct; 0 if none was predicted."""
        return _share(self.true_positive, self.true_positive + self.false_positive)

    @property
    def recall(self) -> float:
        """Share of the true labels that were found; 0 if there are none."""
        return _share(self.true_positive, self.posts)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 if the label does not occur."""
        return _share(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)


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
        return _share(distance @ self.posts[filled], self.posts.sum())


def calibration(confidence: Floats, correct: Flags, bins: int = CALIBRATION_BINS) -> Calibration:
    """Bin posts by the probability (0 to 1) of their answer; a bin includes its upper edge."""
    indices = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    posts = np.bincount(indices, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(indices, weights=each, minlength=bins) / posts for each in (confidence, correct)]
    return Calibration(np.linspace(0, 1, bins + 1), posts.astype(np.int64), *means)


def auc(scores: Floats, truth: Flags) -> float | None:
    """Return the probability that a post with the label scores higher than one without; ties count half.

    Returns None if all posts have the label, or none has.
    """
    positive = int(truth.sum())
    negative = len(truth) - positive
    if not positive or not negative:
        return None
    _, inverse, ties = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[inverse]
    return float((ranks[truth].sum() - positive * (positive + 1) / 2) / (positive * negative))


def percent(share: float) -> float:
    """Return a share in per cent, rounded to two decimals."""
    return round(100 * share, 2)


def fraction(share: float) -> float:
    """Return a share rounded to four decimals."""
    return round(share, 4)


def _f1(matrix: Labels) -> Floats:
    both = matrix.sum(axis=0) + matrix.sum(axis=1)
    return np.asarray(2 * np.diagonal(matrix) / np.maximum(both, 1))


def _share(part: SupportsFloat, whole: SupportsFloat) -> float:
    return float(part) / float(whole) if float(whole) else 0.0
