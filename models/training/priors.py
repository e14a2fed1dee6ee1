"""Shares of the sentiments by language, as a prior of the model, whose logits are learned for equal shares."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from models.enrichment import SENTIMENTS
from models.training.corpus import is_held_out
from models.training.data import TrainingRow
from models.training.sets import SETS

Floats = npt.NDArray[np.float64]

ANY = ""
"""The name of the prior of languages without one of their own."""


def shares(rows: Iterable[TrainingRow], weight: float, without: str | None = None) -> dict[str, Floats]:
    """Return the shares of the three sentiments by language, of training rows of sets that were collected as they occur.

    The shares of a language are the mean over its sets and `weight` sets with the shares of all languages.

    Args:
        rows: Rows, of which the held-out ones are ignored.
        weight: Number of sets that the mean over all languages counts as.
        without: A set that is left out.
    """
    counts: dict[tuple[str, str], Floats] = defaultdict(lambda: np.zeros(len(SENTIMENTS)))
    for row in rows:
        usable = row.sentiment is not None and row.language and not row.unknown and not is_held_out(row)
        if usable and row.source != without and row.source in SETS and SETS[row.source].as_collected:
            counts[row.language or "", row.source][row.sentiment] += 1
    each: dict[str, list[Floats]] = defaultdict(list)
    for (language, _), found in counts.items():
        each[language].append((found + 1) / (found + 1).sum())
    everywhere = np.mean([np.mean(found, axis=0) for found in each.values()], axis=0)
    own = {
        language: (np.sum(found, axis=0) + weight * everywhere) / (len(found) + weight)
        for language, found in each.items()
    }
    return {ANY: everywhere, **own}


def log_odds(language_shares: dict[str, Floats], strength: float) -> dict[str, tuple[float, float, float]]:
    """Return what is added to the logits of the sentiments, by language; `strength` 0 is equal shares, 1 the shares themselves."""
    odds = {}
    for language, found in language_shares.items():
        negative, neutral, positive = np.round(strength * (np.log(found) - np.log(found).mean()), 4).tolist()
        odds[language] = (negative, neutral, positive)
    return odds
