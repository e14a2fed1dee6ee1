"""Converts logits (posts x labels) to probabilities."""

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[np.float32]
Probabilities = npt.NDArray[np.float64]


def softmax(logits: Logits) -> Probabilities:
    """Return the probabilities of labels of which each post has exactly one."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def sigmoid(logits: Logits) -> Probabilities:
    """Return the probabilities of labels of which a post may have several or none."""
    return np.asarray(np.exp(-np.logaddexp(0, -logits.astype(np.float64))))


def rounded(probability: np.float64) -> float:
    """Return a probability rounded to four decimals, as it is published."""
    return round(float(probability), 4)
