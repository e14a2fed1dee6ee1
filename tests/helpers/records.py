"""Writing raw records to a topic and reading them, with nothing of ours but the connection."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from streams.kafka import connection
from streams.settings import KafkaSettings

Pair = tuple[bytes | None, bytes | None]


def produce(
    kafka: KafkaSettings,
    topic: str,
    pairs: Iterable[Pair],
    *,
    headers: Sequence[tuple[str, bytes]] = (),
    timestamp_ms: int | None = None,
    partition: int | None = None,
) -> None:
    """Send keys and values, and wait until all of them are confirmed."""
    producer = KafkaProducer(**connection.kafka_python(kafka), compression_type="lz4", linger_ms=5)
    try:
        sent = [
            producer.send(topic, value, key, list(headers), partition=partition, timestamp_ms=timestamp_ms)
            for key, value in pairs
        ]
        for future in sent:
            future.get(timeout=30)
    finally:
        producer.close()


@contextlib.contextmanager
def _reader(kafka: KafkaSettings) -> Iterator[KafkaConsumer]:
    consumer = KafkaConsumer(**connection.kafka_python(kafka), enable_auto_commit=False, allow_auto_create_topics=False)
    try:
        yield consumer
    finally:
        consumer.close()


def _ends(consumer: KafkaConsumer, topic: str) -> dict[TopicPartition, int]:
    """Assign the topic, and return its ends as reported by fetches.

    The embedded broker would report the latest offset as one more than the first offset of the last batch.
    """
    partitions = [TopicPartition(topic, partition) for partition in consumer.partitions_for_topic(topic) or ()]
    consumer.assign(partitions)
    consumer.seek_to_end()
    while any(consumer.highwater(at) is None for at in partitions):
        consumer.poll(timeout_ms=100)
    return {at: consumer.highwater(at) for at in partitions}


def end_offsets(kafka: KafkaSettings, topic: str) -> dict[int, int]:
    """Return how many records each partition has received."""
    with _reader(kafka) as consumer:
        return {at.partition: end for at, end in _ends(consumer, topic).items()}


def count(kafka: KafkaSettings, topic: str) -> int:
    """Return how many records the topic has received."""
    return sum(end_offsets(kafka, topic).values())


def reached(kafka: KafkaSettings, topic: str, number: int) -> bool:
    """Return whether the topic has received `number` records."""
    return count(kafka, topic) >= number


def read_all(kafka: KafkaSettings, topic: str) -> list[ConsumerRecord]:
    """Return every record of the topic up to its present end."""
    records: list[ConsumerRecord] = []
    with _reader(kafka) as consumer:
        ends = _ends(consumer, topic)
        consumer.seek_to_beginning()
        while any(consumer.position(at) < end for at, end in ends.items()):
            for batch in consumer.poll(timeout_ms=500).values():
                records += batch
    return [record for record in records if record.offset < ends[TopicPartition(topic, record.partition)]]


def by_key(records: Iterable[ConsumerRecord]) -> dict[bytes, list[ConsumerRecord]]:
    """Return the records of each key, in the order of their partition; more than one means that a record came twice."""
    found: dict[bytes, list[ConsumerRecord]] = defaultdict(list)
    for record in records:
        found[record.key].append(record)
    return dict(found)


def committed(kafka: KafkaSettings, group: str, topic: str) -> dict[int, int]:
    """Return the offsets that a consumer group, given by its full name, has committed, by partition."""
    admin = KafkaAdminClient(**connection.kafka_python(kafka))
    try:
        offsets = admin.list_group_offsets([group])[group]
    finally:
        admin.close()
    return {at.partition: offset.offset for at, offset in offsets.items() if at.topic == topic and offset.offset >= 0}


class NotUtf8(str):
    """The name of a header, as a client in another language may write it."""

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"\xff\xfe"
