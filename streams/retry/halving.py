"""Finds the items at fault in a batch that fails as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Halving(Generic[T]):
    """The parts of a batch in order: the whole batch first, and the halves of every part that fails.

    A caller that iterates over it calls `split` with a part that fails, unless it has a single item, which is then at
    fault. A batch of n items with one at fault takes about 2 log2 n attempts.
    """

    def __init__(self, items: Sequence[T]) -> None:
        self._parts = [items] if items else []

    def __iter__(self) -> Iterator[Sequence[T]]:
        while self._parts:
            yield self._parts.pop()

    def split(self, part: Sequence[T]) -> None:
        """Yield the halves of a part next."""
        middle = len(part) // 2
        self._parts += [part[middle:], part[:middle]]
