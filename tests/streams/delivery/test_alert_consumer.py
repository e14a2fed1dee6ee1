"""The alert consumer of a target, without Kafka: its history, its position and its rebalances."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka import errors as kafka_errors

from streams.contracts import encode
from streams.delivery import alert_consumer
from streams.delivery.alert_consumer import AlertBatch, AlertConsumer
from streams.settings import Settings
from tests.helpers.spikes import spike

SETTINGS = Settings(kafka={"group_prefix": "tests"})
AT = TopicPartition(SETTINGS.topics.alerts, 0)


@dataclass
class Record:
    offset: int
    value: bytes | None
    topic: str = AT.topic
    partition: int = 0
    headers: tuple[Any, ...] = ()


@dataclass
class Kafka:
    """A Kafka client with a topic, which it reads two records at a time."""

    values: list[bytes | None]
    first: int = 0
    committed_offset: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    at: int = 0
    seen_end: int | None = None
    is_lost: bool = False

    async def committed(self, at: TopicPartition) -> int | None:
        return self.committed_offset

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, self.first)

    def seek(self, at: TopicPartition, offset: int) -> None:
        self.at = offset

    async def getmany(self, at: TopicPartition, **limits: int) -> dict[TopicPartition, list[Record]]:
        await asyncio.sleep(0)
        found = [Record(offset, self.values[offset]) for offset in range(self.at, min(self.at + 2, len(self.values)))]
        self.at += len(found)
        self.seen_end = len(self.values)
        return {at: found} if found else {}

    def highwater(self, at: TopicPartition) -> int | None:
        return self.seen_end

    async def position(self, at: TopicPartition) -> int:
        return self.at

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self.is_lost:
            raise kafka_errors.CommitFailedError
        self.committed_offset = offsets[AT]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes a consumer with the topic assigned."""

    async def consumer(kafka: Kafka, look_back: int = 0) -> AlertConsumer:
        def client(**options: Any) -> Kafka:
            kafka.options = options
            return kafka

        monkeypatch.setattr(alert_consumer, "AIOKafkaConsumer", client)
        made = AlertConsumer(SETTINGS, "hook", look_back)
        await made.on_partitions_assigned([AT])
        return made

    return consumer


def values(count: int) -> list[bytes | None]:
    return [encode(spike(number)) for number in range(count)]


def offsets(batch: AlertBatch) -> tuple[list[int], list[int]]:
    return [each.offset for each in batch.history], [each.offset for each in batch.spikes]


async def test_a_new_target_gets_the_whole_topic_as_its_history(make: Any) -> None:
    kafka = Kafka(values(5), first=1)
    batch = await (await make(kafka)).read(0.1)
    assert (batch.fresh, batch.first_time, offsets(batch)) == (True, True, ([1, 2, 3, 4], []))
    assert batch.history[0].spike == spike(1)
    assert kafka.options["group_id"] == "tests.alerts-hook"
    assert kafka.options["enable_auto_commit"] is False


@pytest.mark.parametrize(("look_back", "history", "spikes"), [(0, [], [3, 4]), (2, [1, 2], []), (99, [0, 1, 2], [3])])
async def test_a_known_target_continues_at_its_offset(
    make: Any, look_back: int, history: list[int], spikes: list[int]
) -> None:
    batch = await (await make(Kafka(values(6), committed_offset=3), look_back)).read(0.1)
    assert (batch.fresh, batch.first_time, offsets(batch)) == (True, False, (history, spikes))


async def test_the_history_starts_no_earlier_than_the_topic(make: Any) -> None:
    batch = await (await make(Kafka(values(4), first=2, committed_offset=3), 99)).read(0.1)
    assert offsets(batch) == ([2], [3])


async def test_an_offset_beyond_the_end_means_that_the_topic_was_recreated(make: Any) -> None:
    batch = await (await make(Kafka(values(3), committed_offset=9), 99)).read(0.1)
    assert (batch.first_time, offsets(batch)) == (True, ([0, 1, 2], []))


async def test_later_reads_return_new_spikes_only(make: Any) -> None:
    kafka = Kafka(values(1))
    consumer = await make(kafka)
    assert not await consumer.is_at_end(), "nothing is known about the topic before the first read"
    assert not consumer.is_current, "what was known before is out of date"
    await consumer.read(0.1)
    assert consumer.is_current
    assert await consumer.is_at_end()
    kafka.values += values(3)
    batch = await consumer.read(0.1)
    assert (batch.fresh, offsets(batch)) == (False, ([], [1, 2]))
    assert (await consumer.is_at_end(), await consumer.position()) == (False, 3)


async def test_an_unreadable_record_is_skipped_and_logged(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    consumer = await make(Kafka([b"{", *values(1), None]))
    assert offsets(await consumer.read(0.1)) == ([1], [])
    assert f"{AT.topic}[0]@0 is not a readable spike and is not delivered to hook" in caplog.text
    assert f"{AT.topic}[0]@2 is not a readable spike" in caplog.text
    assert await consumer.position() == 3


async def test_without_the_topic_nothing_is_read(make: Any) -> None:
    consumer = await make(Kafka(values(2)))
    await consumer.on_partitions_revoked([AT])
    assert (consumer.is_current, await consumer.read(0.01)) == (False, AlertBatch())
    await consumer.on_partitions_assigned([])
    assert await consumer.read(0.01) == AlertBatch()


async def test_a_read_that_a_rebalance_interrupts_is_discarded(make: Any) -> None:
    consumer = await make(Kafka(values(5)))
    reading = asyncio.create_task(consumer.read(0.1))
    await asyncio.sleep(0)
    await consumer.on_partitions_revoked([AT])
    assert await reading == AlertBatch()
    await consumer.on_partitions_assigned([AT])
    batch = await consumer.read(0.1)
    assert (batch.fresh, offsets(batch)) == (True, ([0, 1, 2, 3, 4], [])), "read again"


async def test_a_rebalance_waits_for_the_delivery_in_progress(make: Any) -> None:
    consumer = await make(Kafka(values(1)))
    async with consumer.telling():
        revoking = asyncio.create_task(consumer.on_partitions_revoked([AT]))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not revoking.done()
        assert not consumer.is_current
    await asyncio.wait_for(revoking, 5)


async def test_the_wait_of_a_rebalance_is_limited(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_consumer, "HAND_OVER_SECONDS", 0.01)
    consumer = await make(Kafka(values(1)))
    async with consumer.telling():
        await asyncio.wait_for(consumer.on_partitions_revoked([AT]), 5)


async def test_a_commit_after_a_rebalance_is_not_needed(make: Any) -> None:
    kafka = Kafka(values(2))
    consumer = await make(kafka)
    await consumer.commit(1)
    kafka.is_lost = True
    await consumer.commit(2)
    assert kafka.committed_offset == 1
