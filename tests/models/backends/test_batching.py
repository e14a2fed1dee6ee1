"""Micro-batches contain every text once, padded as if it were alone, and are never too large."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.backends.batching import BUCKET, MICRO_BATCH, MICRO_BATCH_TOKENS, PAD, micro_batches
from models.text import MAX_TOKENS


def test_a_padded_text_is_no_longer_than_the_longest() -> None:
    assert MAX_TOKENS % BUCKET == 0


@given(st.lists(st.lists(st.integers(4, 999), min_size=2, max_size=MAX_TOKENS), min_size=1, max_size=120))
def test_every_text_occurs_once_padded_as_if_alone(encoded: list[list[int]]) -> None:
    batches = list(micro_batches(encoded))
    assert sorted(np.concatenate([batch.rows for batch in batches])) == list(range(len(encoded)))
    for batch in batches:
        rows, length = batch.ids.shape
        assert batch.mask.shape == (rows, length)
        assert length % BUCKET == 0
        assert rows <= MICRO_BATCH
        assert rows == 1 or rows * length <= MICRO_BATCH_TOKENS
        assert rows & (rows - 1) == 0, "a power of two"
        for row, ids, mask in zip(batch.rows, batch.ids, batch.mask, strict=False):
            text = encoded[row]
            assert length - len(text) < BUCKET
            assert ids.tolist() == text + [PAD] * (length - len(text))
            assert mask.tolist() == [1] * len(text) + [0] * (length - len(text))
