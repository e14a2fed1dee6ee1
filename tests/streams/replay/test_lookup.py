"""Where a replay starts in a topic, whatever the broker answers."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from kafka import TopicPartition

from streams.kafka.reader import end_offsets, open_reader, partitions_of
from streams.processes.broker import Broker
from streams.replay.kafka import KafkaReader
from streams.replay.lookup import start_offsets
from streams.replay.selection import Selection
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.streams.replay.filled import START_MS, fill


def test_it_starts_at_the_right_time_whatever_the_broker_answers(settings: Settings) -> None:
    fill(settings, 100)
    since_ms = START_MS + 50_000
    with open_reader(settings.kafka) as consumer:
        partitions = partitions_of(consumer, settings.topics.raw)
        ends = end_offsets(consumer, partitions)
        found = start_offsets(consumer, dict.fromkeys(partitions, 0), ends, since_ms)
    reader = KafkaReader(settings.kafka, KafkaReader.open(settings.kafka, settings.topics.raw, Selection()).bounds)
    late = [item for items in reader.items(in_time=False) for item in items if item.timestamp_ms >= since_ms]
    assert len(late) >= 40
    assert all(item.offset >= found[TopicPartition(item.topic, item.partition)] for item in late)


class Answer(NamedTuple):
    offset: int


class Lying:
    """A consumer whose look-up by time returns the given offset."""

    def __init__(self, consumer: Any, offset: int) -> None:
        self._consumer = consumer
        self._offset = offset

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def offsets_for_times(self, times: dict[TopicPartition, int]) -> dict[TopicPartition, Answer]:
        return {at: Answer(self._offset) for at in times}


def test_a_look_up_that_skips_records_is_caught_and_everything_read(
    embedded_broker: Broker, settings_for: SettingsFactory, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_for(embedded_broker, topics={"partitions": 1})
    fill(settings, 100)
    with open_reader(settings.kafka) as consumer:
        partitions = partitions_of(consumer, settings.topics.raw)
        ends = end_offsets(consumer, partitions)
        at = partitions[0]
        wrong = start_offsets(Lying(consumer, 80), {at: 0}, ends, START_MS + 40_000)
        right = start_offsets(Lying(consumer, 40), {at: 0}, ends, START_MS + 40_000)
    assert wrong[at] == 0
    assert "looked up a wrong offset by time" in caplog.text
    assert right[at] == 40
