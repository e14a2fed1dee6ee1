"""What a reader of a replay promises: records as they stand in its source, untouched."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from streams.runtime.lossless import Record


class Bounds(NamedTuple):
    """What a reader reads of a partition: from the first offset up to, but without, the end."""

    topic: str
    """Its name, `file:PATH` or `lake:RUN`."""

    partition: int
    first: int
    end: int | None
    """None where it is only known when it is reached: of a file."""


class Reader(ABC):
    """Gives the items of a source, the same ones in the same order each time, and ends.

    Items of one partition come in the order of their offsets. With `in_time` those of several partitions come merged by
    time, else as they are read.
    """

    partitions: int | None = None
    """Of the topic that is read, in which keys choose the partition; None when it is no topic."""

    @property
    @abstractmethod
    def bounds(self) -> Sequence[Bounds]:
        """What is read, fixed when the reader was made: what is written later does not belong to it."""

    @abstractmethod
    def items(self, *, in_time: bool) -> Iterator[Sequence[Record]]:
        """Reads from the start of the bounds. Raises Unavailable, BadInput."""
