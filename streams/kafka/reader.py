"""A consumer that is member of no group: reads and disturbs nobody."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from streams.errors import Unavailable
from streams.kafka import connection
from streams.kafka.lenient_records import let_kafka_python_read
from streams.settings import KafkaSettings

_TIMEOUT_SECONDS = 10.0
_POLL_MS = 100
_SILENT_SECONDS = 30.0


def connect(kafka: KafkaSettings, group: str | None = None) -> KafkaConsumer:
    """A consumer for `end_offsets`; with a group's name it can read what that group committed, and never joins it."""
    let_kafka_python_read()
    return connection.open_client(
        KafkaConsumer,
        kafka,
        group_id=group,
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        isolation_level="read_committed",
        enable_incremental_fetch_sessions=False,  # they leave out partitions in which nothing changed, with their ends
    )


@contextlib.contextmanager
def open_reader(kafka: KafkaSettings) -> Iterator[KafkaConsumer]:
    """Connects, and closes at the end of the block. Raises Unavailable, also for what Kafka's client raises in the block."""
    try:
        consumer = connect(kafka)
        try:
            yield consumer
        finally:
            consumer.close()
    except KafkaError as error:
        text = str(error) or type(error).__name__
        raise Unavailable(f"{kafka.bootstrap_servers}: {text}: `tagpulse doctor` says why") from error


def partitions_of(consumer: KafkaConsumer, *topics: str) -> list[TopicPartition]:
    """The partitions of the topics that exist; asking for one that does not exist makes none."""
    return [TopicPartition(topic, number) for topic in topics for number in consumer.partitions_for_topic(topic) or ()]


def end_offsets(
    consumer: KafkaConsumer, partitions: Sequence[TopicPartition], timeout: float = _TIMEOUT_SECONDS
) -> dict[TopicPartition, int]:
    """The offset after the last record of each partition; the consumer is left assigned to them, at their ends.

    Taken from answers to fetches, since the embedded broker answers the question for the latest offset with the first
    offset of the last batch plus one. The consumer is one of `connect`. Raises Unavailable after `timeout` seconds.
    """
    if not partitions:
        return {}
    deadline = time.monotonic() + timeout
    consumer.unsubscribe()  # or the ends of an earlier call would be taken for new ones
    consumer.assign(list(partitions))
    consumer.seek_to_end()
    while any(consumer.highwater(at) is None for at in partitions):
        if time.monotonic() > deadline:
            raise Unavailable(f"the ends of {', '.join(sorted({at.topic for at in partitions}))} are not known in time")
        consumer.poll(timeout_ms=_POLL_MS)
    return {at: consumer.highwater(at) for at in partitions}


def read_topic(kafka: KafkaSettings, topic: str) -> Iterator[ConsumerRecord]:
    """Every record of a topic up to its end as it is now, partition by partition. Raises Unavailable."""
    with open_reader(kafka) as consumer:
        partitions = partitions_of(consumer, topic)
        ends = end_offsets(consumer, partitions)
        for at, start in consumer.beginning_offsets(partitions).items():
            consumer.seek(at, start)
        yield from read_until(consumer, ends)


def read_until(consumer: KafkaConsumer, ends: Mapping[TopicPartition, int]) -> Iterator[ConsumerRecord]:
    """The records from where the consumer stands to the ends, and leaves it there; it is assigned to these partitions.

    Raises Unavailable when nothing comes any more before the ends.
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
                f"nothing of {', '.join(sorted({at.topic for at in ends}))} came for {_SILENT_SECONDS:.0f} s"
            )
    for at, end in ends.items():
        consumer.seek(at, end)
