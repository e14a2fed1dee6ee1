"""Where a replay starts and ends in a topic, in which order it reads, and how files become items."""

from __future__ import annotations

import gzip
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from kafka import TopicPartition

from streams.contracts import decode_raw
from streams.errors import BadInput, BadMessage
from streams.kafka import topics
from streams.kafka.reader import end_offsets, open_reader, partitions_of
from streams.processes.broker import Broker
from streams.replay.files import FileReader
from streams.replay.kafka import KafkaReader
from streams.replay.lookup import start_offsets
from streams.replay.selection import Selection
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.helpers.posts import START, raw_posts
from tests.helpers.records import produce

START_MS = int(START.timestamp() * 1000)


def fill(settings: Settings, number: int) -> None:
    topics.create(settings)
    for place, pair in enumerate(raw_posts(range(number))):
        if place % 10 == 0:
            batch = []
        batch.append(pair)
        if len(batch) == 10 or place == number - 1:
            produce(settings.kafka, settings.topics.raw, batch, timestamp_ms=START_MS + place * 1000)


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


def test_records_written_after_the_start_are_not_included(settings: Settings) -> None:
    fill(settings, 60)
    reader = KafkaReader.open(settings.kafka, settings.topics.raw, Selection())
    produce(settings.kafka, settings.topics.raw, raw_posts(range(60, 80)))
    assert sum(len(items) for items in reader.items(in_time=False)) == 60


def test_in_time_the_partitions_are_merged(settings: Settings) -> None:
    fill(settings, 300)
    reader = KafkaReader.open(settings.kafka, settings.topics.raw, Selection())
    items = [item for items in reader.items(in_time=True) for item in items]
    assert len(items) == 300
    assert len({item.partition for item in items}) > 1
    times = [item.timestamp_ms for item in items]
    assert times == sorted(times)


def test_a_missing_topic_is_reported(embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(embedded_broker)
    with pytest.raises(BadInput, match=f"no topic {settings.topics.raw}"):
        KafkaReader.open(settings.kafka, settings.topics.raw, Selection())


def test_files_become_items_with_their_bad_lines(tmp_path: Path) -> None:
    day = tmp_path / "day.jsonl.gz"
    lines = [value or b"" for _, value in raw_posts(range(5))]
    with gzip.open(day, "wb") as file:
        file.write(b"\n".join([*lines[:2], b"{oops", *lines[2:]]) + b"\n")
    items = [item for items in FileReader([str(day)], max_line_bytes=10_000).items(in_time=True) for item in items]
    assert [item.offset for item in items] == list(range(6))
    assert items[2].value == b"{oops"
    assert [decode_raw(item.value) for item in items if item.offset != 2] == [decode_raw(line) for line in lines]
    assert items[-1].timestamp_ms == int((START + timedelta(seconds=1)).timestamp() * 1000)
    again = [item for items in FileReader([str(day)], max_line_bytes=10_000).items(in_time=False) for item in items]
    assert [item.location for item in again] == [item.location for item in items]


def test_a_refused_time_in_a_file_stays_refused(tmp_path: Path) -> None:
    day = tmp_path / "day.jsonl"
    line = b'{"source":"file","id":"1","text":"hello","created_at":"2999-01-01T00:00:00Z"}'
    day.write_bytes(line + b"\n")
    [[item]] = FileReader([str(day)], max_line_bytes=10_000).items(in_time=False)
    assert item.value == line
    with pytest.raises(BadMessage, match="invalid: created_at is in the future: 2999"):
        decode_raw(item.value, item.headers)
