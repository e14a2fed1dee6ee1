"""The interface of the readers of a replay, which return the records of a source unmodified."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from streams.runtime.lossless import Record


class Bounds(NamedTuple):
    """The offsets that a reader reads in a partition, from `first` to before `end`."""

    topic: str
    """Name of the topic, `file:PATH` or `lake:RUN`."""

    partition: int
    first: int
    end: int | None
    """None if the end is unknown until it is reached, as in a file."""


class Reader(ABC):
    """Returns the finite items of a source, the same ones in the same order every time.

    Items of a partition are in the order of their offsets. With `in_time` the partitions are merged by time; otherwise
    their items are in the order in which they are read.
    """

    partitions: int | None = None
    """Number of partitions if the source is a topic, in which keys determine the partition; otherwise None."""

    @property
    @abstractmethod
    def bounds(self) -> Sequence[Bounds]:
        """The offsets to read, fixed when the reader is created: records written later are not included."""

    @abstractmethod
    def items(self, *, in_time: bool) -> Iterator[Sequence[Record]]:
        """Yield the items within the bounds, from their start.

        Args:
            in_time: Whether to merge the partitions by time.

        Raises:
            Unavailable: The source does not answer.
            BadInput: The source cannot be read.
        """
