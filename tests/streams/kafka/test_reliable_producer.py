"""The producer keeps records until they are confirmed; `test_produce` tests it during outages."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from streams.contracts import HEADERS, DeadLetter, decode_dead, utc_now
from streams.errors import Refused
from streams.kafka import topics
from streams.kafka.reliable_producer import OutgoingRecord, ReliableProducer, Stopped, dead_letter_record
from streams.processes.broker import Broker
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.helpers.records import read_all


def _record(settings: Settings, value: bytes, topic: str | None = None) -> OutgoingRecord:
    return OutgoingRecord(topic or settings.topics.raw, b"key", value, 1_000, "test", "post")


def _letter(record: OutgoingRecord, error: str) -> DeadLetter:
    return DeadLetter(
        topic=record.topic, partition=-1, offset=-1, timestamp_ms=record.timestamp_ms, key=record.key,
        value=record.value, headers=HEADERS, reason="oversize", error=error, attempts=1, failed_at=utc_now(),
    )  # fmt: skip


def _producer(settings: Settings) -> ReliableProducer:
    return ReliableProducer(
        settings, lambda record, error: dead_letter_record(_letter(record, error), settings.topics, "test")
    )


@pytest.fixture
def producer(settings: Settings) -> Iterator[ReliableProducer]:
    topics.create(settings)
    producer = _producer(settings)
    producer.open()
    yield producer
    assert producer.close(10) == 0


def test_the_cursor_follows_the_confirmations(producer: ReliableProducer, settings: Settings) -> None:
    producer.send([], "start")
    assert producer.cursor == "start", "nothing is before it"
    producer.send([_record(settings, b"1"), _record(settings, b"2")], "first")
    producer.send([_record(settings, b"3")], "second")
    producer.send([], "later")
    assert producer.drain() == 0
    assert producer.cursor == "later"
    assert producer.confirmed == {settings.topics.raw: 3}
    assert not producer.is_away
    assert [record.value for record in read_all(settings.kafka, settings.topics.raw)] == [b"1", b"2", b"3"]


def test_a_record_that_is_too_large_becomes_a_dead_letter_in_its_turn(
    producer: ReliableProducer, settings: Settings
) -> None:
    large = b"x" * (settings.topics.max_message_bytes + 1)
    producer.send([_record(settings, b"1"), _record(settings, large), _record(settings, b"2")], "end")
    assert producer.drain() == 0
    assert producer.cursor == "end"
    assert [record.value for record in read_all(settings.kafka, settings.topics.raw)] == [b"1", b"2"]
    [found] = read_all(settings.kafka, settings.topics.dead)
    letter = decode_dead(found.value)
    assert isinstance(letter, DeadLetter)
    assert letter.value == large
    assert letter.error == f"{len(large)} bytes exceed TAGPULSE_TOPICS__MAX_MESSAGE_BYTES"
    assert found.timestamp == int(letter.failed_at.timestamp() * 1000)


def test_a_dead_letter_that_is_too_large_has_nowhere_to_go(producer: ReliableProducer, settings: Settings) -> None:
    large = b"x" * (settings.topics.dead_limit + 1)
    with pytest.raises(Refused, match=rf"{settings.topics.dead}: .*tagpulse topics check"):
        producer.send([_record(settings, large, settings.topics.dead)])


async def test_a_full_window_blocks_until_it_is_stopped(
    fresh_embedded_broker: Broker, settings_for: SettingsFactory
) -> None:
    settings = settings_for(fresh_embedded_broker, produce={"max_in_flight": 3})
    await asyncio.to_thread(topics.create, settings)
    producer = _producer(settings)
    await asyncio.to_thread(producer.open)
    await asyncio.to_thread(producer.send, [_record(settings, b"0")], "confirmed")
    assert await asyncio.to_thread(producer.drain) == 0
    fresh_embedded_broker.suspend()
    await asyncio.to_thread(producer.send, [_record(settings, b"%d" % number) for number in range(3)], "away")
    blocked = asyncio.create_task(asyncio.to_thread(producer.send, [_record(settings, b"3")]))
    await asyncio.wait([blocked], timeout=0.5)
    assert not blocked.done()
    producer.stop()
    with pytest.raises(Stopped):
        await blocked
    assert await asyncio.to_thread(producer.drain) == 3
    assert await asyncio.to_thread(producer.close, 0.1) == 3
    assert producer.cursor == "confirmed"
    fresh_embedded_broker.resume()
