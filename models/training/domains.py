"""Domains: the held-out rows of each data set. By one half of them everything is chosen, the other half is only published."""

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.metrics import f1_score

from models.training.corpus import is_held_out, text_key
from models.training.data import TrainingRow

Places = npt.NDArray[np.int64]

_BY_LANGUAGE = frozenset({"umsab-val", "afrisenti-dev"})
"""Sets of which each language is a domain."""

_NOT_POSTS = frozenset({"emosent-held"})


class DomainScore(NamedTuple):
    """Macro-F1 (0 to 1) over the labels that a domain has, and the shares called negative by the model and by people."""

    macro_f1: float
    called_negative: float
    negative: float


class DomainScores(NamedTuple):
    """The scores of several domains."""

    domains: Mapping[str, DomainScore]

    @property
    def mean(self) -> float:
        """Mean macro-F1."""
        return float(np.mean([each.macro_f1 for each in self.domains.values()]))

    @property
    def worst(self) -> float:
        """Macro-F1 of the worst domain."""
        return min(each.macro_f1 for each in self.domains.values())

    @property
    def distance(self) -> float:
        """Mean absolute difference of the shares called negative by the model and by people."""
        return float(np.mean([abs(each.called_negative - each.negative) for each in self.domains.values()]))


def is_published(row: TrainingRow) -> bool:
    """Return whether a held-out row is in the half that published figures come from, and that nothing is chosen by."""
    return zlib.crc32(f"published {text_key(row)}".encode()) % 2 == 1


def of_sentiment(rows: Sequence[TrainingRow], *, published: bool = False, most: int | None = None) -> dict[str, Places]:
    """Return the indices of the held-out rows with reliable sentiments, by domain.

    Args:
        rows: All rows.
        published: Whether to return the half to publish; otherwise the half to choose by.
        most: Approximate maximum per domain, evenly spread.
    """
    found: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        usable = row.sentiment is not None and not row.is_noisy and row.source not in _NOT_POSTS
        if usable and is_held_out(row) and is_published(row) == published:
            found.setdefault(name_of(row), []).append(index)
    return {name: np.array(places)[:: _step(len(places), most)] for name, places in sorted(found.items())}


def name_of(row: TrainingRow) -> str:
    """Return the domain of a held-out row."""
    name = row.source.rsplit("-", 1)[0]
    return f"{name} {row.language}" if row.source in _BY_LANGUAGE else name


def weights(rows: Sequence[TrainingRow]) -> npt.NDArray[np.float32]:
    """Return a weight for each row with which all domains weigh the same together."""
    names = [name_of(row) for row in rows]
    sizes = Counter(names)
    return np.array([1 / sizes[name] for name in names], np.float32)


def score(domains: Mapping[str, Places], truth: Places, predicted: Places) -> DomainScores:
    """Score predicted sentiments (0 to 2, by row) by domain."""
    return DomainScores({name: _score(truth[places], predicted[places]) for name, places in domains.items()})


def _score(truth: Places, predicted: Places) -> DomainScore:
    macro_f1 = f1_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0)
    return DomainScore(float(macro_f1), float(np.mean(predicted == 0)), float(np.mean(truth == 0)))


def only(scores: DomainScores, names: Iterable[str]) -> DomainScores:
    """Return the scores of some of the domains."""
    return DomainScores({name: scores.domains[name] for name in names})


def _step(count: int, most: int | None) -> int:
    return max(1, count // most) if most else 1
