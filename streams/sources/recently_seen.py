"""Remembers recently seen keys in bounded memory."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

K = TypeVar("K")
V = TypeVar("V")

_ENTRY_BYTES = 150  # overhead of the dictionary for each key


class RecentlySeen(Generic[K, V]):
    """The newest keys and their values, bounded in bytes since untrusted authors choose how long they are."""

    def __init__(self, limit: int) -> None:
        """Create an empty memory of at most `limit` bytes."""
        self._limit = limit
        self._bytes = 0
        # a plain dict is slow to find its first key after many have been removed from its front
        self._values: OrderedDict[K, V] = OrderedDict()

    def add(self, key: K, value: V) -> None:
        """Add or replace a key as the newest one. The value must not change afterwards."""
        if key in self._values:
            self._bytes -= _entry_bytes(key, self._values.pop(key))
        self._values[key] = value
        self._bytes += _entry_bytes(key, value)
        while self._bytes > self._limit:
            self._bytes -= _entry_bytes(*self._values.popitem(last=False))

    def get(self, key: K) -> V | None:
        """Return the value of a key, or None if it was never seen or too long ago."""
        return self._values.get(key)

    def __iter__(self) -> Iterator[K]:
        """Iterate over a snapshot of the keys, oldest first."""
        return iter(list(self._values))

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def __len__(self) -> int:
        return len(self._values)


def _entry_bytes(key: object, value: object) -> int:
    return _ENTRY_BYTES + _bytes_of(key) + _bytes_of(value)


def _bytes_of(value: object) -> int:
    """Return the memory of a value, including what it refers to."""
    if isinstance(value, msgspec.Struct):
        return sys.getsizeof(value) + sum(_bytes_of(getattr(value, name)) for name in value.__struct_fields__)
    if isinstance(value, tuple | list):
        return sys.getsizeof(value) + sum(map(_bytes_of, value))
    return sys.getsizeof(value)
