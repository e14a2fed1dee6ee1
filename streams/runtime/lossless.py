"""Batch and acknowledge so that nothing is lost: the only code of tagpulse that acknowledges.

Faust by itself acknowledges what raised and what it only prefetched, so its streams are never iterated: their queues are read
(`streams.batches`), and every record is acknowledged here, after all outputs of its batch are durable, in the order of
reading. Three stages overlap:

    read a batch  →  process it (model, decoding)  →  write the result, make it durable, acknowledge
                     several batches at once           one batch at a time, in order

An output may hold acknowledgements back (`HoldingOutput`): then a record is acknowledged, still in order, once the output
releases it, and a restart reads what is held again.

Because acknowledgements are ordered, a committed offset never stands behind a record without its output: after any crash
the records from the committed offset on are handled again, and sinks are idempotent.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import sys
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, NoReturn, Protocol, TypeVar, runtime_checkable

from streams import metrics
from streams.contracts import Headers, record_location
from streams.errors import TagpulseError
from streams.runtime.faust_batches import take as take_events

R = TypeVar("R")
T = TypeVar("T")
R_contra = TypeVar("R_contra", contravariant=True)

logger = logging.getLogger(__name__)


class Record(NamedTuple):
    """A record of Kafka, untouched."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def location(self) -> str:
        return record_location(self.topic, self.partition, self.offset)


class Output(Protocol[R_contra]):
    """Where results go. Both methods wait out an outage; what they raise ends the process without acknowledging."""

    async def write(self, result: R_contra) -> None:
        """Takes a result; it may be durable or not yet."""

    async def flush(self) -> None:
        """Returns when everything written is durable."""


PartitionId = tuple[str, int]
"""A topic and a partition."""


@runtime_checkable
class HoldingOutput(Output[R_contra], Protocol[R_contra]):
    """An output that has more to do with a record after it was written, and says when it may be acknowledged.

    All is called from one task, one call at a time.
    """

    def restart(self) -> None:
        """The partitions were dealt anew: what is written next begins at their committed offsets, for all of them."""

    async def tick(self, owned: Mapping[PartitionId, bool]) -> None:
        """Time has passed. `owned`: this worker's partitions, and whether all of their records are known to be read."""

    def released(self, place: PartitionId) -> int:
        """Records before this offset may be acknowledged, once the output was flushed."""

    def handled(self) -> Mapping[PartitionId, int]:
        """The offset after the last record that was written, of each partition; may be asked from another thread."""


@dataclass(frozen=True, kw_only=True)
class BatchPolicy:
    """How much is read, worked on and made durable at once."""

    batch_size: int
    max_wait_seconds: float
    batches_in_flight: int
    flush_records: int = 1
    """What is written is made durable once it is this many records (1: at once)…"""
    flush_seconds: float = 0.0
    """… or this old."""
    tick_seconds: float = 1.0
    """How often a `HoldingOutput` is told that time passes."""


class Lossless(Generic[R]):
    """Drives one Faust stream through `process` into `output`."""

    def __init__(
        self,
        worker: str,
        process: Callable[[Sequence[Record]], Awaitable[R]],
        output: Output[R],
        pace: BatchPolicy,
        clock: Callable[[], float] = time.monotonic,
        owned: Callable[[], Mapping[PartitionId, bool]] = dict,
        take: Callable[[Any, int, float], AsyncIterator[Sequence[Any]]] = take_events,
    ) -> None:
        """`owned`: what a `HoldingOutput` is told of the partitions; `take`: batches of at most so many events of a stream,
        each complete after so many seconds."""
        self.acknowledged = 0
        self._worker = worker
        self._process = process
        self._output = output
        self._holding = output if isinstance(output, HoldingOutput) else None
        self._pace = pace
        self._clock = clock
        self._owned = owned
        self._take = take
        self._held: defaultdict[PartitionId, deque[Any]] = defaultdict(deque)
        self._generation = -1
        self._batches: asyncio.Queue[tuple[Sequence[Any], asyncio.Task[R]]] = asyncio.Queue()
        self._free = asyncio.Semaphore(pace.batches_in_flight)
        self._unfinished = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = asyncio.Event()

    async def run(self, stream: Any) -> None:
        """The body of the agent: reads for ever. `stream` is the agent's Faust stream."""
        finisher = asyncio.create_task(_or_exit(self._finish(stream)))
        try:
            async for events in self._take(stream, self._pace.batch_size, self._pace.max_wait_seconds):
                if self._draining.is_set():
                    continue
                self._unfinished += 1
                self._idle.clear()
                await self._free.acquire()
                records = [_record(event) for event in events]
                metrics.BATCH_POSTS.labels(self._worker).observe(len(records))
                self._batches.put_nowait((events, asyncio.create_task(_or_exit(self._process(records)))))
        finally:
            finisher.cancel()

    async def drain(self, seconds: float) -> bool:
        """Reads no more, and waits until what was read is acknowledged; False when that took too long."""
        self._draining.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        return self._idle.is_set()

    async def _finish(self, stream: Any) -> None:
        written: list[Sequence[Any]] = []
        due, tick = math.inf, self._clock() if self._holding else math.inf
        while True:
            batch = await self._next_batch(min(due, tick))
            if batch is not None:
                events, processing = batch
                result = await processing
                self._follow(events)
                await self._output.write(result)
                self._free.release()
                if not written:
                    due = self._clock() + self._pace.flush_seconds
                written.append(events)
            if self._is_due(written, due):
                await self._output.flush()
                for events in written:
                    await self._acknowledge(stream, events)
                self._unfinished -= len(written)
                written.clear()
                due = math.inf
                if not self._unfinished:
                    self._idle.set()
            if self._holding and not written and self._clock() >= tick:
                await self._holding.tick(self._owned())
                await self._acknowledge(stream, ())
                tick = self._clock() + self._pace.tick_seconds

    def _follow(self, events: Sequence[Any]) -> None:
        """A new generation of the group reads from the committed offsets: what is held comes again."""
        generation = events[0].message.generation_id if self._holding else self._generation
        if self._holding and generation != self._generation:
            self._generation = generation
            self._held.clear()
            self._holding.restart()

    async def _next_batch(self, due: float) -> tuple[Sequence[Any], asyncio.Task[R]] | None:
        if due == math.inf:
            return await self._batches.get()
        draining = asyncio.create_task(self._draining.wait())
        getting = asyncio.create_task(self._batches.get())
        try:
            await asyncio.wait(
                [getting, draining], timeout=max(0.0, due - self._clock()), return_when=asyncio.FIRST_COMPLETED
            )
            return getting.result() if getting.done() else None
        finally:
            getting.cancel()
            draining.cancel()

    def _is_due(self, written: Sequence[Sequence[Any]], due: float) -> bool:
        if not written:
            return False
        full = sum(map(len, written)) >= self._pace.flush_records
        return full or self._clock() >= due or (self._draining.is_set() and self._batches.empty())

    def _release(self, events: Sequence[Any]) -> list[Any]:
        """What may be acknowledged now, in the order of the offsets of each partition."""
        if not self._holding:
            return list(events)
        for event in events:
            self._held[event.message.topic, event.message.partition].append(event)
        free: list[Any] = []
        for place, held in self._held.items():
            until = self._holding.released(place)
            while held and held[0].message.offset < until:
                free.append(held.popleft())
        return free

    async def _acknowledge(self, stream: Any, done: Sequence[Any]) -> None:
        events = self._release(done)
        if not events:
            return
        for event in events:
            await stream.ack(event)
        self.acknowledged += len(events)
        counts = Counter((event.message.topic, event.message.partition) for event in events)
        for (topic, partition), count in counts.items():
            metrics.ACKNOWLEDGED.labels(self._worker, topic, str(partition)).inc(count)
        metrics.LAST_EVENT.labels(self._worker).set(max(event.message.timestamp for event in events))


def _record(event: Any) -> Record:
    message = event.message
    return Record(
        message.topic,
        message.partition,
        message.offset,
        round(message.timestamp * 1000),
        message.key,
        message.value,
        message.headers or (),
    )


async def _or_exit(work: Awaitable[T]) -> T:
    """Ends the process at any error: Faust's own shutdown could commit what was not done."""
    try:
        return await work
    except TagpulseError as error:
        exit_now(error.exit_code, str(error))
    except Exception:
        logger.exception(
            "a fault of tagpulse: nothing of this batch was acknowledged, it is read again at the next start"
        )
        exit_now(TagpulseError.exit_code, "ended by a fault of tagpulse, see the traceback above")


def exit_now(code: int, reason: str) -> NoReturn:
    """Ends the process at once, with `reason` as its last line; offsets that are not committed stay so."""
    logger.critical("%s (exit %d)", reason, code)
    sys.stderr.flush()
    os._exit(code)
