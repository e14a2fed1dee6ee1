"""The publisher waits out outages and preserves the order of each key."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from streams.kafka import topics
from streams.kafka.publisher import Outgoing, Oversize, Publisher
from streams.processes.broker import HOST, Broker, EmbeddedBroker
from tests.conftest import SettingsFactory
from tests.helpers.brokers import own_settings
from tests.helpers.line import Line
from tests.helpers.processes import eventually
from tests.helpers.records import by_key, read_all


def _batch(topic: str, start: int, number: int) -> list[Outgoing]:
    return [Outgoing(topic, f"k{n % 10}".encode(), str(n).encode(), 1_000) for n in range(start, start + number)]


@pytest.mark.slow
async def test_an_outage_is_waited_out_in_order(fresh_apache_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(fresh_apache_broker, kafka={"request_timeout_seconds": 3.0})
    topics.create(settings)
    publisher = Publisher(settings.kafka, "test", settings.topics.limits, jitter=lambda: 0.0)
    await publisher.publish(_batch(settings.topics.enriched, 0, 100))
    await asyncio.to_thread(fresh_apache_broker.stop)
    waiting = asyncio.create_task(publisher.publish(_batch(settings.topics.enriched, 100, 100)))
    await eventually(lambda: publisher.is_away, 60, "the outage to be noticed")
    assert not waiting.done()
    await asyncio.to_thread(fresh_apache_broker.start)
    await asyncio.wait_for(waiting, 60)
    assert not publisher.is_away
    await publisher.publish(_batch(settings.topics.enriched, 200, 100))
    await publisher.close()
    for records in by_key(read_all(settings.kafka, settings.topics.enriched)).values():
        values = [int(record.value) for record in records]
        assert sorted(set(values)) == list(dict.fromkeys(values)), "out of order"
        assert len(set(values)) == 30, "lost"


async def test_a_record_above_the_limit_of_the_settings_is_refused(
    broker: Broker, settings_for: SettingsFactory
) -> None:
    settings = settings_for(broker)
    topics.create(settings)
    publisher = Publisher(settings.kafka, "test", {settings.topics.enriched: 1_000})
    large = Outgoing(settings.topics.enriched, b"k", b"x" * 1_001, 1_000)
    with pytest.raises(Oversize, match="1001 bytes") as refused:
        await publisher.publish([Outgoing(settings.topics.enriched, b"k", b"fine", 1_000), large])
    assert refused.value.record is large
    await publisher.close()


async def test_a_record_above_the_limit_of_the_broker_is_refused(
    apache_broker: Broker, settings_for: SettingsFactory
) -> None:
    settings = settings_for(apache_broker, topics={"max_message_bytes": 2_000}, kafka={"compression": "none"})
    topics.create(settings)
    publisher = Publisher(settings.kafka, "test", {settings.topics.enriched: 1_000_000})
    with pytest.raises(Oversize):
        await publisher.publish([Outgoing(settings.topics.enriched, b"k", b"x" * 50_000, 1_000)])
    await publisher.close()


async def test_small_records_get_through_to_a_topic_that_accepts_no_full_batch(
    apache_broker: Broker, settings_for: SettingsFactory
) -> None:
    settings = settings_for(apache_broker, topics={"max_message_bytes": 2_000}, kafka={"compression": "none"})
    topics.create(settings)
    publisher = Publisher(settings.kafka, "test", {settings.topics.enriched: 1_000_000}, jitter=lambda: 0.0)
    records = [Outgoing(settings.topics.enriched, f"{n}".encode(), b"x" * 500, 1_000) for n in range(40)]
    await publisher.publish(records)
    await publisher.close()
    assert {record.key for record in read_all(settings.kafka, settings.topics.enriched)} == {r.key for r in records}


async def test_a_record_larger_than_a_batch_gets_through(broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(broker)
    topics.create(settings)
    publisher = Publisher(settings.kafka, "test", settings.topics.limits)
    sizes = [10, 600_000, 20, 900_000]
    await publisher.publish(
        [Outgoing(settings.topics.enriched, b"k", bytes([65 + n]) * size, 1_000) for n, size in enumerate(sizes)]
    )
    await publisher.close()
    assert [len(record.value) for record in read_all(settings.kafka, settings.topics.enriched)] == sizes


class _BehindALine(EmbeddedBroker):
    """A broker that all clients reach through a line that can be cut."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.line = Line(self.port)

    def command_line(self) -> list[str]:
        *rest, option, url, engine, storage = super().command_line()
        return [*rest, option, url.replace(str(self.port), str(self.line.port)), engine, storage]


@pytest.mark.timeout(120)
async def test_two_jobs_share_it_through_outages(tmp_path: Path) -> None:
    with _BehindALine(tmp_path / "broker") as broker:
        settings = own_settings(f"{HOST}:{broker.line.port}", tmp_path, kafka={"request_timeout_seconds": 3.0})
        topics.create(settings)
        publisher = Publisher(settings.kafka, "shared", settings.topics.limits, jitter=lambda: -0.9)
        names = (settings.topics.enriched, settings.topics.dead)

        sent = dict.fromkeys(names, 0)

        async def publish(topic: str) -> None:
            while broker.line.cuts < 25:
                await publisher.publish(_batch(topic, sent[topic], 5))
                sent[topic] += 5

        jobs = asyncio.gather(*map(publish, names))
        moments = random.Random(1)
        while not jobs.done():
            broker.line.cut()
            await asyncio.sleep(moments.uniform(0.0, 0.2))
            broker.line.restore()
            await asyncio.wait([jobs], timeout=moments.uniform(0.0, 0.4))
        await asyncio.wait_for(jobs, 60)
        await publisher.close()
        for topic, number in sent.items():
            found = {record.value for record in read_all(settings.kafka, topic)}
            assert found == {record.value for record in _batch(topic, 0, number)}
        broker.line.close()
