"""Input and output of the demo: three unreadable records, and a consumer for the results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from streams.contracts import VERSION_HEADER
from streams.demo.tally import Tally
from streams.kafka import connection
from streams.settings import Settings

_POLL_RECORDS = 2_000
_SEND_SECONDS = 10.0

BAD_RECORDS: tuple[tuple[bytes, list[tuple[str, bytes]]], ...] = (
    (b'{"type":"post","source":"sample","id":"cut-off","text":"The line broke in the mid', []),
    (b'{"type":"post","source":"sample","id":"no-time","text":"When was this?"}', []),
    (b'{"type":"post","source":"sample","id":"from-tomorrow"}', [(VERSION_HEADER, b"999")]),
)
"""Values and headers as a faulty program might send them: malformed, invalid, and of an unknown version."""


class BadRecordInjector:
    """Sends the bad records to the raw topic, spread over the day."""

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.topics.raw
        self._producer = connection.open_client(KafkaProducer, settings.kafka)
        self.sent = 0

    def send_until(self, progress: float) -> None:
        """Send the bad records that are due at this progress of the day (0 to 1)."""
        while self.sent < len(BAD_RECORDS) and progress >= (self.sent + 1) / (len(BAD_RECORDS) + 1):
            value, headers = BAD_RECORDS[self.sent]
            self._producer.send(self._topic, value, headers=headers).get(timeout=_SEND_SECONDS)
            self.sent += 1

    def close(self) -> None:
        self._producer.close(timeout=1)


class DemoConsumer:
    """Reads the raw, enriched and dead-letter topics from the beginning into a tally, without a consumer group."""

    def __init__(self, settings: Settings, tally: Tally) -> None:
        self._tally = tally
        self._topics = settings.topics
        self._consumer = connection.open_client(
            KafkaConsumer,
            settings.kafka,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            max_poll_records=_POLL_RECORDS,
        )
        names = (settings.topics.raw, settings.topics.enriched, settings.topics.dead)
        self._consumer.assign(
            [TopicPartition(name, number) for name in names for number in range(settings.topics.partitions)]
        )

    def watch(self, seconds: float) -> None:
        """Add the new records to the tally, waiting up to `seconds` for them."""
        add: dict[str, Callable[[Any], None]] = {
            self._topics.raw: lambda record: self._tally.add_raw(
                record.topic, record.partition, record.offset, record.value, record.headers
            ),
            self._topics.enriched: lambda record: self._tally.add_enriched(record.value, record.headers),
            self._topics.dead: lambda record: self._tally.add_dead(record.value, record.headers),
        }
        for partition, records in self._consumer.poll(timeout_ms=int(seconds * 1000)).items():
            for record in records:
                add[partition.topic](record)

    def close(self) -> None:
        self._consumer.close()
