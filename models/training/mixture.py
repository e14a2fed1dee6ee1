"""Draws the rows of training batches: data sets in given shares, small groups favoured, similar lengths together."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice

import numpy as np
import numpy.typing as npt

from models.training.corpus import is_held_out
from models.training.data import TrainingRow
from models.training.sets import FAMILIES, SETS, DataSet

BATCH = 32
_POOL = 24
"""Number of batches that are drawn together and sorted by length."""

_UNLISTED = DataSet(name="", family="other", terms="unstated")


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """Indices of the rows, and their padded token ids and mask (posts x tokens)."""

    rows: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int64]
    mask: npt.NDArray[np.int64]


class Mixture:
    """An endless stream of batches, drawn with replacement; the same seeds give the same batches."""

    def __init__(
        self,
        rows: Sequence[TrainingRow],
        tokens: Sequence[npt.NDArray[np.int32]],
        shares: Mapping[str, float],
        seed: Sequence[int],
    ) -> None:
        self._tokens = tokens
        self._seed = seed
        self._weights = _weights(rows, shares)

    def batches(self, start: int = 0) -> Iterator[TrainingBatch]:
        """Yield batches of `BATCH` rows, beginning with batch number `start`."""
        pool, skipped = divmod(start, _POOL)
        yield from islice(self._pool(pool), skipped, None)
        for following in count(pool + 1):
            yield from self._pool(following)

    def _pool(self, number: int) -> Iterator[TrainingBatch]:
        random = np.random.default_rng([*self._seed, number])
        drawn = random.choice(len(self._weights), BATCH * _POOL, p=self._weights)
        texts = [self._tokens[row] for row in drawn]
        order = np.argsort([len(text) for text in texts], kind="stable")
        for index in random.permutation(_POOL):
            chosen = order[index * BATCH : (index + 1) * BATCH]
            yield pad(drawn[chosen], [texts[each] for each in chosen])


def pad(rows: npt.NDArray[np.int64], texts: Sequence[npt.NDArray[np.int32]]) -> TrainingBatch:
    """Return a batch of texts (token ids), padded to the longest."""
    ids = np.ones((len(texts), max(len(text) for text in texts)), np.int64)
    mask = np.zeros_like(ids)
    for index, text in enumerate(texts):
        ids[index, : len(text)] = text
        mask[index, : len(text)] = 1
    return TrainingBatch(rows, ids, mask)


def group_weights(rows: Sequence[TrainingRow]) -> npt.NDArray[np.float64]:
    """Return the weight of each row in the draw from its set: rare languages and labels are favoured as the set demands."""
    groups = [(row.source, row.language, row.sentiment, row.emotions, row.acts) for row in rows]
    sizes = Counter(groups)
    return np.array([sizes[group] ** (_set(group[0]).balance - 1) for group in groups])


def _weights(rows: Sequence[TrainingRow], shares: Mapping[str, float]) -> npt.NDArray[np.float64]:
    within = group_weights(rows)
    members: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        if not is_held_out(row):
            members[row.source].append(index)
    weights = np.zeros(len(rows))
    for family, share in shares.items():
        sizes = {name: SETS[name].weight * len(members[name]) ** 0.5 for name in FAMILIES.get(family, ())}
        if not any(sizes.values()):
            raise ValueError(f"there are no training rows of the family {family!r}")
        for name, size in sizes.items():
            own = within[members[name]]
            weights[members[name]] = share * size / sum(sizes.values()) * own / max(own.sum(), 1e-12)
    return np.asarray(weights / weights.sum())


def _set(source: str) -> DataSet:
    return SETS.get(source, _UNLISTED)
