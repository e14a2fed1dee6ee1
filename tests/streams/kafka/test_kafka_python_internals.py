"""The parts of kafka-python that tagpulse uses beyond its public API behave as the adapter says."""

from __future__ import annotations

import threading

import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaError

from streams.kafka import connection, topics
from streams.kafka.kafka_python_internals import discard
from streams.kafka.reader import read_topic
from streams.processes.broker import Broker
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.helpers.records import NotUtf8, produce


def test_header_names_that_are_not_utf_8_are_read(settings: Settings) -> None:
    topics.create(settings)
    for name in ("first", NotUtf8("name"), "last"):
        pairs: list[tuple[bytes | None, bytes | None]] = [(b"key", b"1"), (b"key", b"2")]
        produce(settings.kafka, settings.topics.raw, pairs, headers=[(name, b"value")], partition=0)
    found = [(record.headers[0][0], record.value) for record in read_topic(settings.kafka, settings.topics.raw)]
    assert found == [(name, value) for name in ("first", r"\xff\xfe", "last") for value in (b"1", b"2")]


def test_a_producer_is_discarded_with_its_batches_and_its_thread(
    fresh_embedded_broker: Broker, settings_for: SettingsFactory
) -> None:
    settings = settings_for(fresh_embedded_broker)
    topics.create(settings)
    before = set(threading.enumerate())
    producer = connection.open_client(KafkaProducer, settings.kafka)
    producer.send(settings.topics.raw, b"confirmed").get(timeout=30)
    fresh_embedded_broker.suspend()
    pending = [producer.send(settings.topics.raw, b"pending") for _ in range(3)]
    discard(producer, 30.0)
    assert set(threading.enumerate()) == before
    for future in pending:
        with pytest.raises(KafkaError):
            future.get(timeout=0)
    producer.close(timeout=0)  # as at exit: there is nothing left to wait for
    with pytest.raises(KafkaError):
        producer.send(settings.topics.raw, b"late")
    fresh_embedded_broker.resume()
