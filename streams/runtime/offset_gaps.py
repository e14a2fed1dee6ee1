"""Explains gaps between offsets: deleted records are reported, markers are ignored, and skipped records are an error.

The offsets of a topic are not contiguous: transaction markers and aborted records occupy some, and compaction and
retention remove others. A worker cannot tell these from records that its client skipped, so a second consumer, without
a group, reads the same range of the partition again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.contracts import record_location
from streams.errors import TagpulseError
from streams.kafka import connection
from streams.kafka.aiokafka_internals import current_assignment, read_leniently
from streams.settings import KafkaSettings

_READ_SECONDS = 60.0
_POLL_MS = 500
_ENOUGH = 100_000  # records in a gap, more than any client takes at once: some of them were skipped for certain


class RecordsSkipped(TagpulseError):
    """Raised when the client skipped records that Kafka has; nothing after them may be acknowledged."""


class Expired(NamedTuple):
    """Records that retention deleted before a worker read them."""

    topic: str
    partition: int
    start: int
    end: int
    """The offset after the last deleted record."""

    @property
    def location(self) -> str:
        return f"{record_location(self.topic, self.partition, self.start)} to {self.end - 1}"


class OffsetRange(NamedTuple):
    """The records that Kafka has in a range of offsets of a partition."""

    first: int
    """The first offset that Kafka still retains in the whole partition."""
    offsets: Collection[int]
    """The offsets of the range that hold a committed record."""


ReadRange = Callable[[str, int, int, int], Awaitable[OffsetRange]]
"""Reads a range again, given the topic, the partition, the first offset and the offset after the last."""


def gap_reader(kafka: KafkaSettings) -> ReadRange:
    """Return an `ReadRange` for this Kafka; its errors (KafkaError, TimeoutError) are temporary and worth a retry."""

    async def examine(topic: str, partition: int, start: int, end: int) -> OffsetRange:
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
                        await read_leniently(consumer, current_assignment(consumer), at)
                        continue
                    offsets.update(record.offset for record in records if record.offset < end)
                return OffsetRange(first, offsets)
        finally:
            await consumer.stop()

    return examine


def expired(
    topic: str, partition: int, start: int, end: int, taken: Collection[int], found: OffsetRange
) -> Expired | None:
    """Return the records from `start` to `end` that retention deleted, or None.

    Args:
        topic: Topic of the range.
        partition: Partition of the range.
        start: First offset of the range.
        end: Offset after the last of the range.
        taken: The offsets of the records that the client returned in this range.
        found: The range as read again from Kafka.

    Raises:
        RecordsSkipped: Kafka has a record in this range that the client did not return.
    """
    skipped = sorted(set(found.offsets) - set(taken))
    if skipped:
        raise RecordsSkipped(
            f"{record_location(topic, partition, skipped[0])}: the Kafka client skipped {len(skipped)} records; "
            "nothing after them was acknowledged, so the worker will read them again after a restart"
        )
    until = min(found.first, min(taken, default=end))
    return Expired(topic, partition, start, until) if until > start else None
