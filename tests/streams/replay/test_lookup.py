"""Where a replay starts in a topic, whatever the broker answers."""

from __future__ import annotations

from types import SimpleNamespace
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


@pytest.mark.parametrize(
    ("records", "answer", "found"),
    [
        ([10, 20, 30, 40], 2, 2),
        ([10, 20, 30, 40], 1, 0),
        ([10, 20, 30, 40], 3, 0),
        ([10, 20, 30, 40], 0, 0),
        ([10, 20, 25], None, 3),
        ([10, 20, 30], None, 0),
        ([10, 20, 25], 9, 3),
        ([10, 30, 20, 40], 1, 1),
        ([], None, 0),
    ],
    ids=[
        "right",
        "too early",
        "too late",
        "the start is always right",
        "none is late enough",
        "wrongly none",
        "beyond the end",
        "the first of an unordered partition",
        "empty",
    ],
)
def test_the_answer_of_a_broker_is_checked(records: list[int], answer: int | None, found: int) -> None:
    """Look up the first record from time 30 on; `records` are the times of all records."""
    at = TopicPartition("raw", 0)
    consumer: Any = Kept(at, records, answer)
    assert start_offsets(consumer, {at: 0}, {at: len(records)}, 30) == {at: found}


class Kept:
    """A consumer of one partition, in memory."""

    def __init__(self, at: TopicPartition, times: list[int], answer: int | None) -> None:
        self._at = at
        self._times = times
        self._answer = answer
        self._position = 0

    def offsets_for_times(self, times: dict[TopicPartition, int]) -> dict[TopicPartition, Answer | None]:
        return {self._at: None if self._answer is None else Answer(self._answer)}

    def assign(self, partitions: list[TopicPartition]) -> None:
        assert partitions == [self._at]

    def seek(self, at: TopicPartition, offset: int) -> None:
        self._position = offset

    def position(self, at: TopicPartition) -> int:
        return self._position

    def poll(self, *, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Any]]:
        offset = self._position
        self._position += 1
        return {self._at: [SimpleNamespace(offset=offset, timestamp=self._times[offset])]}
