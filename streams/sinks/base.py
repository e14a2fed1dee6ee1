"""The contract that every sink implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Literal, NamedTuple, Self

from streams.contracts import EnrichedMessage, Spike
from streams.errors import Refused
from streams.runtime.lossless import BatchPolicy, Record
from streams.settings import Settings

EXTRA_DELETION_RETENTION = timedelta(days=7)
"""How much longer deletions are kept than posts.

The creation time of a post may be an estimate that is later than its deletion. Retention must not remove the deletion
first, or the post would reappear.
"""


class Row(NamedTuple):
    """A message and its Kafka record, whose topic, partition and offset identify the row across restarts."""

    record: Record
    message: EnrichedMessage


class BadRow(NamedTuple):
    """A row that the sink can never store, and the reason; it is sent to the dead letters."""

    row: Row
    why: str


class Flushed(NamedTuple):
    """The result of a flush: the number of new rows, and the rows that could not be stored."""

    stored: int
    bad: Sequence[BadRow] = ()


class Author(NamedTuple):
    """The author of a post on a network, by the name that is stored, which may be a pseudonym."""

    source: str
    name: str


class PostKey(NamedTuple):
    """The network and id that identify a post."""

    source: str
    id: str


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """A request to erase all posts of some authors, some single posts, and other people's reposts of either."""

    authors: frozenset[Author] = frozenset()
    posts: frozenset[PostKey] = frozenset()
    reposts: Literal["remove", "clear"] = "remove"
    """Whether reposts are removed too, or kept without their text and media."""


class Forgotten(NamedTuple):
    """The posts that were (or would be) removed, and the reposts of them that were removed or lost their text."""

    posts: Sequence[PostKey] = ()
    reposts: Sequence[PostKey] = ()


class Sink(ABC):
    """Stores the enriched posts of one run, and applies edits and deletions to them.

    A single task drives a sink: it calls `open`, then `write` and `flush` any number of times, then `close`. Offsets
    are acknowledged only after `flush` has returned, so after a crash the rows since the last flush are written again,
    possibly in batches of a different size. A sink must recognise them and end up with the same content as without the
    crash.

    Every method may raise `Unavailable` when the sink's storage is unreachable or full. The caller then waits and calls
    the same method again with the same arguments; rows written earlier must not be lost. Meanwhile the worker reads no
    further, which is how a slow sink applies back-pressure. `flush` returns rows that can never be stored, and they
    block nothing. Any other error ends the worker without an acknowledgement.

    A package adds a sink with an entry point `NAME = "module:Class"` in the group `tagpulse.sinks`.
    """

    name: ClassVar[str]
    """The name of the sink on the command line and in metrics."""
    keeps_spikes: ClassVar[bool] = False
    """Whether the sink implements `keep_spikes`."""

    @classmethod
    @abstractmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the sink for the run that the settings name, without connecting to anything yet.

        Raises:
            SettingsError: A setting of the sink is missing or wrong.
            MissingExtra: An optional dependency of the sink is not installed.
        """

    @property
    def policy(self) -> BatchPolicy:
        """The size of the batches that the sink takes, and how often it is flushed."""
        return BatchPolicy(
            batch_size=2_000, max_wait_seconds=0.5, batches_in_flight=2, flush_records=10_000, flush_seconds=1.0
        )

    async def require(self) -> None:  # noqa: B027 (optional for a sink)
        """Raise SettingsError if nothing was ever stored here, so that a wrong setting does not pass for an empty sink.

        Creates nothing. Commands that only read or remove call it before `open`.
        """

    @abstractmethod
    async def open(self) -> None:
        """Connect, and create whatever is missing."""

    @abstractmethod
    async def write(self, rows: Sequence[Row]) -> None:
        """Write rows, which may stay in memory until `flush`; the rows of a partition come in offset order."""

    @abstractmethod
    async def flush(self) -> Flushed:
        """Make all rows written so far durable and visible."""

    @abstractmethod
    async def close(self) -> None:
        """Release all resources and discard the rows written since the last flush."""

    async def keep_spikes(self, spikes: Sequence[Spike]) -> int:
        """Store the latest message about each spike at once, and return how many messages changed the stored data.

        Call it after `open`.

        Raises:
            BadMessage: One of the messages can never be stored; none of them was.
        """
        raise Refused(f"the sink {self.name} cannot store spikes")

    async def runs(self) -> Mapping[str, int]:
        """Return the number of stored posts of each run. Call it after `open`."""
        raise Refused(f"the sink {self.name} cannot list its runs")

    async def drop_run(self, run: str) -> int:
        """Remove a run, and return the number of posts it had. Call it after `open`."""
        raise Refused(f"the sink {self.name} cannot drop a run")

    async def find(self, wanted: Erasure) -> Forgotten:
        """Return what `forget` would remove, without changing anything. Call it after `open`."""
        raise Refused(f"the sink {self.name} cannot forget posts")

    async def forget(self, wanted: Erasure) -> Forgotten:
        """Remove posts from every run permanently, so that reading their records again does not restore them.

        Reposts of them are also removed or lose their text, as are later reposts that refer to the id of a forgotten
        post. Call it after `open`; other processes may be writing to the sink at the same time.

        Returns:
            What was removed.
        """
        raise Refused(f"the sink {self.name} cannot forget posts")


@asynccontextmanager
async def opened(sink: Sink, *, existing: bool = False) -> AsyncIterator[Sink]:
    """Open the sink for the duration of the block.

    Args:
        sink: The sink to open, and to close afterwards.
        existing: Whether to check first that the sink already exists (see `Sink.require`).
    """
    if existing:
        await sink.require()
    await sink.open()
    try:
        yield sink
    finally:
        await sink.close()
