"""What a replay reads from a topic, and in what order."""

from __future__ import annotations

from datetime import timedelta

import pytest

from streams.errors import BadInput
from streams.kafka import topics
from streams.processes.broker import Broker
from streams.replay.kafka import KafkaReader
from streams.replay.reader import Bounds
from streams.replay.selection import Selection
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.helpers.posts import START, raw_posts
from tests.helpers.records import produce
from tests.streams.replay.filled import START_MS, fill


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


@pytest.fixture
def filled(embedded_broker: Broker, settings_for: SettingsFactory) -> Settings:
    """Settings whose raw topic has 40 records in one of two partitions, ten at once every ten seconds."""
    settings = settings_for(embedded_broker, topics={"partitions": 2})
    topics.create(settings)
    for start in range(0, 40, 10):
        pairs, time_ms = raw_posts(range(start, start + 10)), START_MS + start * 1_000
        produce(settings.kafka, settings.topics.raw, pairs, timestamp_ms=time_ms, partition=1)
    return settings


def read(settings: Settings, selection: Selection, *, in_time: bool = False) -> list[tuple[int, int]]:
    """Return the partition and the offset of each item."""
    reader = KafkaReader.open(settings.kafka, settings.topics.raw, selection)
    return [(item.partition, item.offset) for items in reader.items(in_time=in_time) for item in items]


@pytest.mark.parametrize(
    ("offsets", "first", "end"),
    [
        ({1: (5, 7)}, 5, 8),
        ({1: (0, 0)}, 0, 1),
        ({1: (35, 1_000)}, 35, 40),
        ({1: (50, 60)}, 40, 40),
        ({0: (0, 100)}, 40, 40),
    ],
)
def test_only_the_chosen_offsets_are_read(
    filled: Settings, offsets: dict[int, tuple[int, int]], first: int, end: int
) -> None:
    selection = Selection(offsets=offsets)
    reader = KafkaReader.open(filled.kafka, filled.topics.raw, selection)
    assert reader.partitions == 2
    assert [(each.first, each.end) for each in reader.bounds if each.partition == 1] == [(first, end)]
    for in_time in (False, True):
        assert read(filled, selection, in_time=in_time) == [(1, offset) for offset in range(first, end)]


def test_records_since_a_time_are_all_read(filled: Settings) -> None:
    found = read(filled, Selection(since=START + timedelta(seconds=30)))
    assert found[-10:] == [(1, offset) for offset in range(30, 40)]


def test_a_reader_of_given_bounds_reads_the_same_again(filled: Settings) -> None:
    bounds = [Bounds(filled.topics.raw, 0, 0, 0), Bounds(filled.topics.raw, 1, 10, 20)]
    reader = KafkaReader(filled.kafka, bounds)
    assert reader.bounds == bounds
    for _ in range(2):
        assert [item.offset for items in reader.items(in_time=True) for item in items] == list(range(10, 20))


def test_an_empty_topic_has_no_items(embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(embedded_broker)
    topics.create(settings)
    for in_time in (False, True):
        assert read(settings, Selection(), in_time=in_time) == []


def test_items_are_the_records_as_they_are(embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(embedded_broker, topics={"partitions": 1})
    topics.create(settings)
    produce(settings.kafka, settings.topics.raw, [(b"k", b"{"), (b"l", None)], headers=[("h", b"v")], timestamp_ms=7)
    reader = KafkaReader.open(settings.kafka, settings.topics.raw, Selection())
    one, two = [item for items in reader.items(in_time=False) for item in items]
    assert (one.topic, one.offset, one.timestamp_ms, one.key, one.value) == (settings.topics.raw, 0, 7, b"k", b"{")
    assert [tuple(header) for header in one.headers] == [("h", b"v")]
    assert (two.offset, two.key, two.value) == (1, b"l", None)
