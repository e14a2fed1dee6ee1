"""Micro-batches of texts of similar length; they give a small encoder most of its speed without changing its answers."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.backends.base import Padded

MICRO_BATCH = 32
MICRO_BATCH_TOKENS = 1_024
"""Maximum number of tokens in a micro-batch; larger ones are no faster and take more memory."""

BUCKET = 8
PAD = 1
"""The id of `<pad>` in the vocabulary of the XLM-R family."""


class MicroBatch(NamedTuple):
    """Indices of the texts in the input, and their padded token ids and mask (rows x tokens).

    There may be more rows than texts; the rows after the last text are filler.
    """

    rows: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int64]
    mask: npt.NDArray[np.int64]


def micro_batches(encoded: Sequence[Sequence[int]], pad: int = PAD) -> Iterator[MicroBatch]:
    """Group texts (token ids) by length, shortest first.

    The length of a text is padded to the next multiple of `BUCKET`, never to that of a longer neighbour. Sums over tokens
    then run in the same order in every batch, so an answer is always the same to the last bit. The number of rows is a
    power of two, because runtimes keep memory for every shape they have seen.
    """
    lengths = np.array([-(-len(ids) // BUCKET) * BUCKET for ids in encoded])
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        most = min(MICRO_BATCH, _power_of_two(MICRO_BATCH_TOKENS // int(length)))
        for start in range(0, len(rows), most):
            batch = rows[start : start + most]
            ids = np.full((len(batch), length), pad, np.int64)
            mask = np.zeros_like(ids)
            for index, row in enumerate(batch):
                ids[index, : len(encoded[row])] = encoded[row]
                mask[index, : len(encoded[row])] = 1
            yield MicroBatch(batch, *filled(Padded(ids, mask), 1 << (len(batch) - 1).bit_length(), pad))


def _power_of_two(number: int) -> int:
    """Return the largest power of two that is at most `number`, but at least 1."""
    return 1 << max(0, number.bit_length() - 1)


def filled(batch: Padded, rows: int, pad: int = PAD) -> Padded:
    """Return the batch with filler rows appended, so that it has `rows` rows (at least as many as before)."""
    missing = rows - len(batch.ids)
    filling = np.full((missing, batch.ids.shape[1]), pad, np.int64)
    counted = np.zeros_like(filling)
    counted[:, 0] = 1  # the mean over zero tokens would be NaN
    return Padded(np.concatenate([batch.ids, filling]), np.concatenate([batch.mask, counted]))
