import threading
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.backends import Padded
from models.backends.pool import BatchPool

shapes = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 9)), max_size=20)


def batches(shapes: Sequence[tuple[int, int]]) -> list[Padded]:
    return [Padded(np.full(shape, number, np.int64), np.ones(shape, np.int64)) for number, shape in enumerate(shapes)]


@given(shapes, st.integers(1, 4))
def test_results_come_in_the_order_of_the_batches(shapes: list[tuple[int, int]], threads: int) -> None:
    pool = BatchPool(lambda batch: (int(batch.ids[0, 0]), batch.ids.shape), threads)
    assert pool.run(batches(shapes)) == list(enumerate(shapes))


def test_the_largest_batches_start_first() -> None:
    started: list[int] = []
    BatchPool(lambda batch: started.append(batch.ids.size), threads=1).run(batches([(1, 8), (4, 8), (2, 1), (2, 8)]))
    assert started == [32, 16, 8, 2]


def test_batches_run_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=30)
    places = BatchPool(lambda _: meeting.wait(), threads=3).run(batches([(1, 1)] * 3))
    assert sorted(places) == [0, 1, 2]


def test_an_error_reaches_the_caller() -> None:
    def fail(batch: Padded) -> None:
        if batch.ids[0, 0] == 1:
            raise ValueError("batch 1")

    pool = BatchPool(fail, threads=2)
    with pytest.raises(ValueError, match="batch 1"):
        pool.run(batches([(1, 1)] * 3))
    assert pool.run(batches([(1, 1)])) == [None], "the pool remains usable"
