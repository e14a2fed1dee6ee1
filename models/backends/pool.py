"""Runs each batch on its own thread: threads that share a batch would wait for each other at every layer."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from models.backends.base import Padded

R = TypeVar("R")


class BatchPool(Generic[R]):
    """A pool of `threads` threads that call `compute` on batches."""

    def __init__(self, compute: Callable[[Padded], R], threads: int) -> None:
        self._compute = compute
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="batch")

    def run(self, batches: Sequence[Padded]) -> list[R]:
        """Return the results of batches in order; the largest start first, so that all threads finish together."""
        indices = sorted(range(len(batches)), key=lambda index: -batches[index].ids.size)
        results = self._threads.map(self._compute, [batches[index] for index in indices])
        by_index = dict(zip(indices, results, strict=True))
        return [by_index[index] for index in range(len(batches))]
