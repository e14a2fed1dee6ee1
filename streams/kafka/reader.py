"""Consumers outside any group: reading with them has no side effects."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from streams.errors import Unavailable
from streams.kafka import connection
from streams.kafka.kafka_python_internals import read_any_header_name
from streams.retry.backoff import Backoff, retry
from streams.settings import KafkaSettings

T = TypeVar("T")

logger = logging.getLogger(__name__)

_MAX_BACKOFF_SECONDS = 15.0
_TIMEOUT_SECONDS = 10.0
_POLL_MS = 100
_SILENT_SECONDS = 30.0


def connect(kafka: KafkaSettings, group: str | None = None) -> KafkaConsumer:
    """Return a consumer for `end_offsets`; with a group it can also read its committed offsets, without joining it."""
    read_any_header_name()
    return connection.open_client(
        KafkaConsumer,
        kafka,
        group_id=group,
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        isolation_level="read_committed",
        enable_incremental_fetch_sessions=False,  # they omit unchanged partitions, and so their end offsets
    )


@contextlib.contextmanager
def open_reader(kafka: KafkaSettings) -> Iterator[KafkaConsumer]:
    """Connect for the duration of the block. Raises Unavailable, also for client errors inside the block."""
    try:
        consumer = connect(kafka)
        try:
            yield consumer
        finally:
            consumer.close()
    except KafkaError as error:
        text = str(error) or type(error).__name__
        raise Unavailable(f"{kafka.bootstrap_servers}: {text}: run `tagpulse doctor` to find out why") from error


def partitions_of(consumer: KafkaConsumer, *topics: str) -> list[TopicPartition]:
    """Return the partitions of those of the topics that exist, without creating the others."""
    return [TopicPartition(topic, number) for topic in topics for number in consumer.partitions_for_topic(topic) or ()]


def end_offsets(
    consumer: KafkaConsumer, partitions: Sequence[TopicPartition], timeout: float = _TIMEOUT_SECONDS
) -> dict[TopicPartition, int]:
    """Return the offset after the last record of each partition, leaving the consumer assigned to them at their ends.

    The offsets come from fetch responses, because the embedded broker answers a request for the latest offset with the
    first offset of the last batch plus one.

    Args:
        consumer: A consumer made by `connect`.
        timeout: Time limit in seconds.

    Raises:
        Unavailable: The time limit is exceeded.
    """
    if not partitions:
        return {}
    deadline = time.monotonic() + timeout
    consumer.unsubscribe()  # otherwise the ends of an earlier call would pass for new ones
    consumer.assign(list(partitions))
    consumer.seek_to_end()
    while any(consumer.highwater(at) is None for at in partitions):
        if time.monotonic() > deadline:
            topics = ", ".join(sorted({at.topic for at in partitions}))
            raise Unavailable(f"the end offsets of {topics} could not be read within {timeout:g} s")
        consumer.poll(timeout_ms=_POLL_MS)
    return {at: consumer.highwater(at) for at in partitions}


def read_topic(kafka: KafkaSettings, topic: str) -> Iterator[ConsumerRecord]:
    """Yield every record of a topic up to its current end, in order within each partition. Raises Unavailable."""
    with open_reader(kafka) as consumer:
        partitions = partitions_of(consumer, topic)
        ends = end_offsets(consumer, partitions)
        for at, start in consumer.beginning_offsets(partitions).items():
            consumer.seek(at, start)
        yield from read_until(consumer, ends)


def read_until(consumer: KafkaConsumer, ends: Mapping[TopicPartition, int]) -> Iterator[ConsumerRecord]:
    """Yield the records from the current positions of the consumer to the ends, and leave it there.

    Args:
        consumer: A consumer that is assigned to these partitions.
        ends: The offset after the last record to read, by partition.

    Raises:
        Unavailable: No more records arrive before the ends are reached.
    """
    deadline = time.monotonic() + _SILENT_SECONDS
    while any(consumer.position(at) < end for at, end in ends.items()):
        polled = consumer.poll(timeout_ms=_POLL_MS)
        for at, records in polled.items():
            yield from (record for record in records if record.offset < ends[at])
        if polled:
            deadline = time.monotonic() + _SILENT_SECONDS
        elif time.monotonic() > deadline:
            raise Unavailable(
                f"no records of {', '.join(sorted({at.topic for at in ends}))} arrived for {_SILENT_SECONDS:.0f} s"
            )
    for at, end in ends.items():
        consumer.seek(at, end)


async def read_when_available(read: Callable[[], T], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> T:
    """Return what `read`, called in a thread, reads from Kafka; it is called again while it raises Unavailable."""
    backoff = Backoff(_MAX_BACKOFF_SECONDS)
    return await retry(lambda: asyncio.to_thread(read), Unavailable, backoff, _note_outage, sleep)


def _note_outage(error: Exception, _: float) -> None:
    logger.warning("%s; trying again, nothing is lost", error)
