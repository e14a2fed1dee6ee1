"""Thresholds of labels that may apply together, chosen and scored on different rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from sklearn.metrics import f1_score

from models.training.heads import matching_threshold

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

_FEWEST_ROWS = 100
_FEWEST_PRESENT = 20
"""Numbers of rows, and of those with the label, from which a language has a threshold of its own."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Thresholds of labels as logits: `overall`, and those of languages that differ, by language."""

    overall: Floats
    by_language: dict[str, Floats] = field(default_factory=dict)

    def of(self, language: str | None) -> Floats:
        """Return the thresholds for posts in a language."""
        return self.by_language.get(language or "", self.overall)


def choose(logits: Floats, present: Flags, decided: Flags, languages: Sequence[str | None]) -> Thresholds:
    """Choose thresholds that as many rows reach as have the label (all arrays are rows x labels).

    Rows on whose label the data set is silent do not count. A label that no row has keeps the threshold 0, and a language
    with few rows has the threshold of all rows.
    """
    count = logits.shape[1]
    overall = np.zeros(count, np.float32)
    for label in range(count):
        rows = decided[:, label]
        if present[rows, label].any():
            overall[label] = matching_threshold(logits[rows, label], present[rows, label])
    codes = np.array([code or "" for code in languages])
    by_language = {}
    for code in sorted(set(codes.tolist()) - {""}):
        own = overall.copy()
        for label in range(count):
            rows = decided[:, label] & (codes == code)
            if rows.sum() >= _FEWEST_ROWS and present[rows, label].sum() >= _FEWEST_PRESENT:
                own[label] = matching_threshold(logits[rows, label], present[rows, label])
        if (own != overall).any():
            by_language[code] = own
    return Thresholds(overall, by_language)


def score(
    logits: Floats, present: Flags, decided: Flags, languages: Sequence[str | None], thresholds: Thresholds
) -> dict[str, float]:
    """Return the macro-F1 and micro-F1 (0 to 1) over the decided labels of rows by which no threshold was chosen.

    The macro-F1 leaves out labels that no row has.
    """
    limits = np.stack([thresholds.of(code) for code in languages])
    predicted = logits >= limits
    each = [
        f1_score(present[rows, label], predicted[rows, label], zero_division=0)
        for label, rows in enumerate(decided.T)
        if present[rows, label].any()
    ]
    return {
        "macro-F1": float(np.mean(each)),
        "micro-F1": float(f1_score(present[decided], predicted[decided], zero_division=0)),
    }
