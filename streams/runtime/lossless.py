"""Batching and acknowledging without losing records; the only code in tagpulse that acknowledges.

Faust by itself acknowledges records whose processing raised and records that were only prefetched. Its streams are
therefore never iterated. Their queues are read instead (`faust_batches`), and every record is acknowledged here, in
reading order, after all outputs of its batch are durable. Three stages overlap:

    read a batch  →  process it (model, decoding)  →  write the result, make it durable, acknowledge
                     several batches at once           one batch at a time, in order

An output may hold acknowledgements back (`HoldingOutput`). A record is then acknowledged, still in order, once the
output releases it, and unreleased records are read again after a restart.

Because acknowledgements are ordered, a committed offset is never after a record whose output is not durable. After a
crash the records from the committed offset on are processed again, and the sinks are idempotent.
"""

from __future__ import annotations

import asyncio
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
from streams.retry.backoff import wait_for_event
from streams.runtime.faust_batches import take as take_events

R = TypeVar("R")
T = TypeVar("T")
R_contra = TypeVar("R_contra", contravariant=True)

logger = logging.getLogger(__name__)


class Record(NamedTuple):
    """A Kafka record, unmodified."""

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
    """The destination of results.

    Both methods wait out outages. An exception from them ends the process without acknowledging.
    """

    async def write(self, result: R_contra) -> None:
        """Accept a result, which need not be durable yet."""

    async def flush(self) -> None:
        """Return once everything written is durable."""


PartitionId = tuple[str, int]
"""A topic and a partition."""


@runtime_checkable
class HoldingOutput(Output[R_contra], Protocol[R_contra]):
    """An output that needs a record beyond its write, and decides when it may be acknowledged.

    All methods except `handled` are called from one task, one call at a time.
    """

    def restart(self) -> None:
        """Called after a rebalance: the next writes start at the committed offsets of all partitions."""

    async def tick(self, owned: Mapping[PartitionId, bool]) -> None:
        """Called regularly.

        Args:
            owned: The partitions of this worker, and whether all of their records are known to be read.
        """

    def released(self, place: PartitionId) -> int:
        """Return the offset before which records may be acknowledged once the output is flushed."""

    def handled(self) -> Mapping[PartitionId, int]:
        """Return the offset after the last written record of each partition; may be called from another thread."""


@dataclass(frozen=True, kw_only=True)
class BatchPolicy:
    """How many records are read, processed and made durable together."""

    batch_size: int
    max_wait_seconds: float
    batches_in_flight: int
    flush_records: int = 1
    """Number of written records that triggers a flush; 1: flush after every batch."""
    flush_seconds: float = 0.0
    """Age of the oldest unflushed batch that triggers a flush."""
    tick_seconds: float = 1.0
    """Interval between calls of `HoldingOutput.tick`."""


class Lossless(Generic[R]):
    """Processes the records of a Faust stream with `process` and writes the results to `output`."""

    def __init__(
        self,
        worker: str,
        process: Callable[[Sequence[Record]], Awaitable[R]],
        output: Output[R],
        policy: BatchPolicy,
        clock: Callable[[], float] = time.monotonic,
        owned: Callable[[], Mapping[PartitionId, bool]] = dict,
        take: Callable[[Any, int, float], AsyncIterator[Sequence[Any]]] = take_events,
    ) -> None:
        """Set up the processing of one stream.

        Args:
            worker: Name of the worker in metrics.
            process: Turns a batch of records into a result.
            output: Receives the results.
            policy: Batch sizes and waiting times.
            clock: Monotonic clock, in seconds.
            owned: Returns the partitions to pass to `HoldingOutput.tick`.
            take: Yields batches of a stream, given their maximum size and maximum waiting time in seconds.
        """
        self.acknowledged = 0
        self._worker = worker
        self._process = process
        self._output = output
        self._holding = output if isinstance(output, HoldingOutput) else None
        self._policy = policy
        self._clock = clock
        self._owned = owned
        self._take = take
        self._unreleased: defaultdict[PartitionId, deque[Any]] = defaultdict(deque)
        self._generation = -1
        self._batches: asyncio.Queue[tuple[Sequence[Any], asyncio.Task[R]]] = asyncio.Queue()
        self._free = asyncio.Semaphore(policy.batches_in_flight)
        self._unfinished = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = asyncio.Event()

    async def run(self, stream: Any) -> None:
        """Process records until cancelled, as the body of a Faust agent.

        Args:
            stream: The Faust stream of the agent.
        """
        finisher = asyncio.create_task(_or_exit(self._finish(stream)))
        try:
            async for events in self._take(stream, self._policy.batch_size, self._policy.max_wait_seconds):
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
        """Stop reading, and wait at most `seconds` until everything read is acknowledged; return whether it is."""
        self._draining.set()
        await wait_for_event(self._idle, seconds)
        return self._idle.is_set()

    async def _finish(self, stream: Any) -> None:
        written: list[Sequence[Any]] = []
        due, tick = math.inf, self._clock() if self._holding else math.inf
        while True:
            batch = await self._next_batch(min(due, tick))
            if batch is not None:
                events, processing = batch
                result = await processing
                self._restart_on_rebalance(events)
                await self._output.write(result)
                self._free.release()
                if not written:
                    due = self._clock() + self._policy.flush_seconds
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
                tick = self._clock() + self._policy.tick_seconds

    def _restart_on_rebalance(self, events: Sequence[Any]) -> None:
        """Discard unreleased records when the group generation changes, because they are read again."""
        generation = events[0].message.generation_id if self._holding else self._generation
        if self._holding and generation != self._generation:
            self._generation = generation
            self._unreleased.clear()
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
        full = sum(map(len, written)) >= self._policy.flush_records
        return full or self._clock() >= due or (self._draining.is_set() and self._batches.empty())

    def _release(self, events: Sequence[Any]) -> list[Any]:
        """Return the events that may be acknowledged now, in the order of their offsets within each partition."""
        if not self._holding:
            return list(events)
        for event in events:
            self._unreleased[event.message.topic, event.message.partition].append(event)
        free: list[Any] = []
        for partition, unreleased in self._unreleased.items():
            until = self._holding.released(partition)
            while unreleased and unreleased[0].message.offset < until:
                free.append(unreleased.popleft())
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
    """End the process on any error, because Faust's own shutdown could commit unfinished records."""
    try:
        return await work
    except TagpulseError as error:
        exit_now(error.exit_code, str(error))
    except Exception:
        logger.exception(
            "internal error: no record of this batch was acknowledged; they are read again after a restart"
        )
        exit_now(TagpulseError.exit_code, "ended by an internal error, see the traceback above")


def exit_now(code: int, reason: str) -> NoReturn:
    """End the process immediately, with `reason` as its last log line and without committing any offset."""
    logger.critical("%s (exit %d)", reason, code)
    sys.stderr.flush()
    os._exit(code)
