"""Offsets without a record: deleted records are reported, markers are fine, and a skipped record is an error."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaProducer

from streams.kafka import connection, topics
from streams.processes.broker import Broker
from streams.runtime.offset_gaps import Expired, OffsetRange, RecordsSkipped, expired, gap_reader
from tests.conftest import SettingsFactory
from tests.helpers.records import NotUtf8, produce


def test_what_retention_deleted_is_reported() -> None:
    assert expired("t", 0, 10, 25, [20, 21], OffsetRange(20, [20, 21])) == Expired("t", 0, 10, 20)
    assert expired("t", 0, 10, 25, [], OffsetRange(30, [])) == Expired("t", 0, 10, 25)
    assert Expired("t", 3, 10, 20).location == "t[3]@10 to 19"


def test_more_may_be_deleted_after_the_client_has_read_it() -> None:
    assert expired("t", 0, 10, 25, [20, 21], OffsetRange(22, [])) == Expired("t", 0, 10, 20)
    assert expired("t", 0, 10, 12, [10, 11], OffsetRange(12, [])) is None


def test_offsets_that_hold_no_record_are_fine() -> None:
    assert expired("t", 0, 10, 25, [12, 20], OffsetRange(0, [12, 20])) is None


def test_a_record_that_was_skipped_is_an_error() -> None:
    with pytest.raises(RecordsSkipped, match=r"t\[0\]@11: .* skipped 2 records"):
        expired("t", 0, 10, 25, [12, 20], OffsetRange(0, [11, 12, 13, 20]))


async def test_a_stretch_is_read_again(apache_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(apache_broker, topics={"partitions": 1})
    topics.create(settings)
    producer = AIOKafkaProducer(**connection.aiokafka(settings.kafka), transactional_id=settings.topics.raw)
    await producer.start()
    try:
        for commits in (True, False, True):
            await producer.begin_transaction()
            await producer.send_and_wait(settings.topics.raw, b"one")
            await producer.send_and_wait(settings.topics.raw, b"two")
            await (producer.commit_transaction() if commits else producer.abort_transaction())
    finally:
        await producer.stop()
    # two records and a marker each: 0 1 | 3 4 aborted | 6 7
    examine = gap_reader(settings.kafka)
    assert await examine(settings.topics.raw, 0, 0, 9) == OffsetRange(0, {0, 1, 6, 7})
    assert await examine(settings.topics.raw, 0, 2, 6) == OffsetRange(0, set())
    assert await examine(settings.topics.raw, 0, 8, 9) == OffsetRange(0, set())


async def test_a_stretch_with_a_header_that_is_not_utf_8_is_read_again(
    broker: Broker, settings_for: SettingsFactory
) -> None:
    settings = settings_for(broker, topics={"partitions": 1})
    topics.create(settings)
    for name in ("name", NotUtf8("name"), "name"):
        headers = [(name, b"value")]
        await asyncio.to_thread(
            produce, settings.kafka, settings.topics.raw, [(b"key", b"value")] * 2, headers=headers, partition=0
        )
    assert await gap_reader(settings.kafka)(settings.topics.raw, 0, 0, 6) == OffsetRange(0, set(range(6)))
