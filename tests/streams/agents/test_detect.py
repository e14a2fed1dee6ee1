"""The detector of the watch worker: each spike is published once, whichever worker takes over and from whichever record."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from streams.agents.detect import SpikesOutput, read_minutes
from streams.contracts import HEADERS, PulseMinute, SentimentCounts, Spike, decode_spike, encode
from streams.errors import Refused
from streams.kafka import topics
from streams.kafka.publisher import Outgoing, Publisher
from streams.processes.broker import Broker
from streams.runtime.lossless import Record
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.helpers.minutes import START
from tests.helpers.records import read_all

MINUTES = 90
SPIKE_FROM = 45


def _part(number: int) -> PulseMinute:
    """Return a final minute of twenty posts, of which four are negative and, in the spike, twelve."""
    negative = 12 if number >= SPIKE_FROM else 4
    counts = SentimentCounts(negative=negative, neutral=20 - negative)
    minute = START + timedelta(minutes=number)
    return PulseMinute(
        minute=minute, hashtag="poltwt", partition=0, watermark=minute + timedelta(minutes=1), final=True,
        sentiments=counts, independent=counts,
    )  # fmt: skip


@pytest.fixture
async def settings(embedded_broker: Broker, settings_for: SettingsFactory) -> Settings:
    made = settings_for(embedded_broker, topics={"partitions": 1})
    await asyncio.to_thread(topics.create, made)
    return made


async def _published(settings: Settings) -> list[Spike]:
    found = await asyncio.to_thread(read_all, settings.kafka, settings.topics.alerts)
    return [decode_spike(record.value) for record in found]


async def test_a_spike_is_published_once_whichever_workers_take_over(settings: Settings) -> None:
    topic = settings.topics.minutes
    parts = [_part(number) for number in range(MINUTES)]
    records = [Record(topic, 0, offset, 0, part.key, encode(part), HEADERS) for offset, part in enumerate(parts)]
    publisher = Publisher(settings.kafka, "test", settings.topics.limits)
    await publisher.publish([Outgoing(topic, part.key, encode(part), 1_000) for part in parts])

    output = SpikesOutput(publisher, settings, "middle")
    await output.write(await read_minutes(records[:60]))
    first = await _published(settings)
    assert first[0].state == "open"
    assert {spike.kind for spike in first} == {"negative"}
    assert first[0].explanation.summary
    assert output.released((topic, 0)) == 60
    assert output.handled() == {(topic, 0): 60}

    successor = SpikesOutput(publisher, settings, "middle")
    await successor.write(await read_minutes(records[30:]))
    second = await _published(settings)
    assert second[: len(first)] == first
    assert len({(spike.id, spike.state, spike.at) for spike in second}) == len(second)
    assert successor.released((topic, 0)) == MINUTES

    output.restart()
    assert output.released((topic, 0)) == 0
    await output.write(await read_minutes(records[60:]))
    assert await _published(settings) == second, "it starts from the topics, as any other worker does"
    await publisher.close()


async def test_an_unreadable_minute_is_skipped(settings: Settings) -> None:
    publisher = Publisher(settings.kafka, "test", settings.topics.limits)
    output = SpikesOutput(publisher, settings, "middle")
    await output.write(await read_minutes([Record(settings.topics.minutes, 0, 0, 0, None, b"{", ())]))
    assert output.released((settings.topics.minutes, 0)) == 1
    assert await _published(settings) == []


async def test_a_spike_that_is_too_large_stops_the_worker(settings: Settings) -> None:
    parts = [_part(number) for number in range(MINUTES)]
    topic = settings.topics.minutes
    publisher = Publisher(settings.kafka, "test", settings.topics.limits | {settings.topics.alerts: 10})
    output = SpikesOutput(publisher, settings, "middle")
    records = [Record(topic, 0, offset, 0, part.key, encode(part), HEADERS) for offset, part in enumerate(parts)]
    with pytest.raises(Refused, match=r"a spike is too large: .*tagpulse topics check"):
        await output.write(await read_minutes(records))
    await publisher.close()
