"""Explains gaps between offsets: deleted records are reported, markers are fine, and skipped records are an error.

Offsets of a topic are not contiguous: markers of transactions and aborted records take some, compaction and retention free
others. To a worker all of these look the same as records that its client passed over, so nothing is passed over on trust:
a second consumer, without a group, reads the same stretch of the partition again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.contracts import record_location
from streams.errors import TagpulseError
from streams.kafka import connection
from streams.kafka.lenient_records import read_leniently
from streams.settings import KafkaSettings

_READ_SECONDS = 60.0
_POLL_MS = 500
_ENOUGH = 100_000  # offsets of records, more than any client takes at once: some of them were passed over


class RecordsSkipped(TagpulseError):
    """The client passed over records that Kafka has: nothing after them may be acknowledged."""


class Expired(NamedTuple):
    """Records that retention deleted before a worker had read them."""

    topic: str
    partition: int
    start: int
    end: int
    """The offset after the last of them."""

    @property
    def location(self) -> str:
        return f"{record_location(self.topic, self.partition, self.start)} to {self.end - 1}"


class Stretch(NamedTuple):
    """What Kafka holds of a stretch of a partition."""

    first: int
    """The first offset of the whole partition that Kafka still keeps."""
    offsets: Collection[int]
    """Those of the stretch that hold a committed record."""


Examine = Callable[[str, int, int, int], Awaitable[Stretch]]
"""Reads a stretch again: topic, partition, first offset, and the one after the last."""


def examiner(kafka: KafkaSettings) -> Examine:
    """An `Examine` that asks this Kafka. What it raises (KafkaError, TimeoutError) is worth another try."""

    async def examine(topic: str, partition: int, start: int, end: int) -> Stretch:
        at = TopicPartition(topic, partition)
        consumer = AIOKafkaConsumer(
            **connection.aiokafka(kafka),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        try:
            async with asyncio.timeout(_READ_SECONDS):
                await consumer.start()
                consumer.assign([at])
                first = (await consumer.beginning_offsets([at]))[at]
                offsets: set[int] = set()
                consumer.seek(at, max(start, first))
                while len(offsets) < _ENOUGH and await consumer.position(at) < end:
                    try:
                        records = (await consumer.getmany(at, timeout_ms=_POLL_MS)).get(at, ())
                    except UnicodeDecodeError:
                        await read_leniently(consumer, consumer._subscription.subscription.assignment, at)
                        continue
                    offsets.update(record.offset for record in records if record.offset < end)
                return Stretch(first, offsets)
        finally:
            await consumer.stop()

    return examine


def expired(topic: str, partition: int, start: int, end: int, taken: Collection[int], found: Stretch) -> Expired | None:
    """What retention deleted of `start` to `end`, where the client gave the records at the offsets `taken`.

    Raises RecordsSkipped where Kafka has a record there that the client did not give.
    """
    skipped = sorted(set(found.offsets) - set(taken))
    if skipped:
        raise RecordsSkipped(
            f"{record_location(topic, partition, skipped[0])}: Kafka's client passed over {len(skipped)} records; nothing "
            "after them was acknowledged, so the worker reads them again after its restart"
        )
    until = min(found.first, min(taken, default=end))
    return Expired(topic, partition, start, until) if until > start else None
