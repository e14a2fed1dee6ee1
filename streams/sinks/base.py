"""The contract of a sink."""

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

DELETIONS_KEPT = timedelta(days=7)
"""How much longer than posts deletions are kept: a post whose time is an estimate can be younger than its deletion, and must
not come back for want of it."""


class Row(NamedTuple):
    """A message and the record it came in: topic, partition and offset say which row it is, also after a restart."""

    record: Record
    message: EnrichedMessage


class BadRow(NamedTuple):
    """A row that the sink can never keep, and why: it goes to the dead letters."""

    row: Row
    why: str


class Flushed(NamedTuple):
    """What a flush did: the number of rows that were new, and the rows that could not be kept."""

    stored: int
    bad: Sequence[BadRow] = ()


class Author(NamedTuple):
    """Who wrote a post on its network, by the name that is stored: a pseudonym where one was written."""

    source: str
    name: str


class PostKey(NamedTuple):
    """What names a post on its network."""

    source: str
    id: str


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """What is to be forgotten: every post of these authors, and these posts; and what others reposted of them."""

    authors: frozenset[Author] = frozenset()
    posts: frozenset[PostKey] = frozenset()
    reposts: Literal["remove", "clear"] = "remove"
    """Whether reposts go, too, or stay without the text and the media."""


class Forgotten(NamedTuple):
    """What was removed, or would be: the posts, and the reposts of them that went or lost their text."""

    posts: Sequence[PostKey] = ()
    reposts: Sequence[PostKey] = ()


class Sink(ABC):
    """Keeps the enriched posts of one run and applies edits and deletions.

    A sink is driven by one task: `open`, then any number of `write` and `flush`, then `close`. Offsets are acknowledged
    only after `flush` returned, so after a crash the rows since the last flush are written again, in batches of other
    sizes: a sink recognises them, and ends with the same content as without the crash.

    Every method may raise `Unavailable` when what the sink writes to is away or full. The caller waits and calls the same
    method again with the same arguments: nothing that was written before may be forgotten. Until then the worker reads
    no further, which is how a slow sink holds its feed back. A row that can never be kept is answered by `flush` and
    stops nothing. Any other error ends the worker without an acknowledgement.

    A package adds a sink by an entry point `NAME = "module:Class"` in the group `tagpulse.sinks`.
    """

    name: ClassVar[str]
    """The name on the command line and in metrics."""
    keeps_spikes: ClassVar[bool] = False
    """Whether `keep_spikes` does anything but refuse."""

    @classmethod
    @abstractmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The sink for the run of the settings; connects to nothing yet. Raises SettingsError or MissingExtra."""

    @property
    def pace(self) -> BatchPolicy:
        """How many rows come at once, and how often they are flushed."""
        return BatchPolicy(
            batch_size=2_000, max_wait_seconds=0.5, batches_in_flight=2, flush_records=10_000, flush_seconds=1.0
        )

    async def require(self) -> None:  # noqa: B027 (a sink may have nothing to look at)
        """Raise SettingsError if nothing was ever stored here, so that a wrong setting is not mistaken for an empty sink.

        It creates nothing. Commands that only read or remove call it before `open`.
        """

    @abstractmethod
    async def open(self) -> None:
        """Connects, creates what is missing."""

    @abstractmethod
    async def write(self, rows: Sequence[Row]) -> None:
        """Takes rows, those of a partition in the order of their offsets; it may keep them in memory until `flush`."""

    @abstractmethod
    async def flush(self) -> Flushed:
        """Returns when everything written is durable and visible."""

    @abstractmethod
    async def close(self) -> None:
        """Gives everything back; rows written since the last flush are forgotten."""

    async def keep_spikes(self, spikes: Sequence[Spike]) -> int:
        """Keeps of each spike the last message about it, at once; answers how many changed what is kept. After `open`.

        Raises BadMessage, and has kept nothing, when there is one among them that can never be kept.
        """
        raise Refused(f"the sink {self.name} keeps no spikes")

    async def runs(self) -> Mapping[str, int]:
        """The posts that are kept, by run. After `open`."""
        raise Refused(f"the sink {self.name} cannot list its runs")

    async def drop_run(self, run: str) -> int:
        """Removes a run, and answers how many posts it had. After `open`."""
        raise Refused(f"the sink {self.name} cannot drop a run")

    async def find(self, wanted: Erasure) -> Forgotten:
        """What `forget` would remove; changes nothing. After `open`."""
        raise Refused(f"the sink {self.name} cannot forget posts")

    async def forget(self, wanted: Erasure) -> Forgotten:
        """Removes posts from every run, for good: they do not come back when their records are read again.

        Reposts of them are removed as well, or lose their text; so do later reposts that name the id of a forgotten post.
        Returns what was removed. Call it after `open`; other processes may be writing to the sink meanwhile.
        """
        raise Refused(f"the sink {self.name} cannot forget posts")


@asynccontextmanager
async def opened(sink: Sink, *, existing: bool = False) -> AsyncIterator[Sink]:
    """The sink, open while the block runs. `existing`: see `Sink.require`."""
    if existing:
        await sink.require()
    await sink.open()
    try:
        yield sink
    finally:
        await sink.close()
