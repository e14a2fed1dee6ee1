"""Micro-batches of texts of similar length: most of the speed of a small encoder, and none of its answers."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.backends.base import Padded

MICRO_BATCH = 32
MICRO_BATCH_TOKENS = 1_024
"""Of all texts of a batch: more are no faster, and take the more memory."""

BUCKET = 8
PAD = 1
"""The id of `<pad>` in the vocabulary of the XLM-R family."""


class MicroBatch(NamedTuple):
    """Places of the texts in the input, and padded token ids with their mask (rows x tokens).

    There may be more rows than texts; what follows the last text is filling.
    """

    rows: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int64]
    mask: npt.NDArray[np.int64]


def micro_batches(encoded: Sequence[Sequence[int]], pad: int = PAD) -> Iterator[MicroBatch]:
    """Group texts (token ids) by length, shortest first.

    A text is padded to the next multiple of `BUCKET` of its own length, never to a neighbour's: sums over tokens then
    run in the same order in every batch, and an answer is the same to the last bit. The number of rows is a power of
    two, because runtimes keep memory for each shape they have met.
    """
    lengths = np.array([-(-len(ids) // BUCKET) * BUCKET for ids in encoded])
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        most = min(MICRO_BATCH, _power_of_two(MICRO_BATCH_TOKENS // int(length)))
        for start in range(0, len(rows), most):
            batch = rows[start : start + most]
            ids = np.full((len(batch), length), pad, np.int64)
            mask = np.zeros_like(ids)
            for place, row in enumerate(batch):
                ids[place, : len(encoded[row])] = encoded[row]
                mask[place, : len(encoded[row])] = 1
            yield MicroBatch(batch, *filled(Padded(ids, mask), 1 << (len(batch) - 1).bit_length(), pad))


def _power_of_two(number: int) -> int:
    """The largest that is not above `number`, and at least 1."""
    return 1 << max(0, number.bit_length() - 1)


def filled(batch: Padded, rows: int, pad: int = PAD) -> Padded:
    """Return a batch with filling after its own rows, so that there are `rows` of them (not fewer than it has)."""
    missing = rows - len(batch.ids)
    filling = np.full((missing, batch.ids.shape[1]), pad, np.int64)
    counted = np.zeros_like(filling)
    counted[:, 0] = 1  # the mean over no token would be no number
    return Padded(np.concatenate([batch.ids, filling]), np.concatenate([batch.mask, counted]))
