"""The contract of a sink."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from streams.contracts import EnrichedMessage
from streams.lossless import Record


class Row(NamedTuple):
    """A message and the record it came in: topic, partition and offset say which row it is, also after a restart."""

    record: Record
    message: EnrichedMessage


class Sink(ABC):
    """Keeps enriched posts and applies deletions.

    A sink is driven by one task: `open`, then any number of `write` and `flush`, then `close`. Offsets are acknowledged
    only after `flush` returned, so after a crash the rows since the last flush are written again, in batches of other
    sizes: a sink recognises them by topic, partition and offset, and ends with the same content as without the crash.

    Every method may raise `Unavailable` when what the sink writes to is away or full. The caller waits and calls the same
    method again with the same arguments: nothing that was written before may be forgotten. Any other error ends the
    worker without an acknowledgement.
    """

    name: ClassVar[str]
    """The name on the command line and in metrics."""

    @abstractmethod
    async def open(self) -> None:
        """Connects, creates what is missing."""

    @abstractmethod
    async def write(self, rows: Sequence[Row]) -> None:
        """Takes rows in the order of their offsets; it may keep them in memory until `flush`."""

    @abstractmethod
    async def flush(self) -> int:
        """Returns when everything written is durable and visible, with the number of rows that were new."""

    @abstractmethod
    async def close(self) -> None:
        """Gives everything back; rows written since the last flush are forgotten."""
