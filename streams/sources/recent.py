"""What was seen shortly before, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """The `limit` newest keys, each with a value."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # a plain dict is slow to find its first key when many went before it
        self._values: OrderedDict[K, V] = OrderedDict()

    def add(self, key: K, value: V) -> None:
        """Makes it the newest one."""
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._limit:
            self._values.popitem(last=False)

    def get(self, key: K) -> V | None:
        """Its value; None when it was not seen, or long ago."""
        return self._values.get(key)

    def __iter__(self) -> Iterator[K]:
        """The oldest first, as they were when it began."""
        return iter(list(self._values))

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def __len__(self) -> int:
        return len(self._values)
