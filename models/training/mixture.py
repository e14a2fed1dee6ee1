"""Draws the rows of training batches: data sets in given shares, small groups favoured, similar lengths together."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice

import numpy as np
import numpy.typing as npt

from models.training.corpus import is_held_out
from models.training.data import TrainingRow

BATCH = 32
_POOL = 24
"""Number of batches that are drawn together and sorted by length."""

_BALANCED = {"semeval": 0.0, "afrisenti-train": 0.5, "fragment": 0.5, "x_topic": 1.0}
"""Exponent of a group's size (rows with the same language and label) in its share of a set; 0 makes all groups equal."""


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


def _weights(rows: Sequence[TrainingRow], shares: Mapping[str, float]) -> npt.NDArray[np.float64]:
    groups = Counter((row.source, row.language, row.sentiment) for row in rows)
    weights = np.zeros(len(rows))
    members: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        if row.source in shares and not is_held_out(row):
            members[row.source].append(index)
            size = groups[row.source, row.language, row.sentiment]
            weights[index] = size ** (_BALANCED.get(row.source, 1.0) - 1)
    for source, share in shares.items():
        indices = members[source]
        if not indices:
            raise ValueError(f"there are no training rows from {source!r}")
        weights[indices] *= share / weights[indices].sum()
    return np.asarray(weights / weights.sum())
