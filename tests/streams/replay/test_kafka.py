"""What a replay reads from a topic, and in which order."""

from __future__ import annotations

import pytest

from streams.errors import BadInput
from streams.processes.broker import Broker
from streams.replay.kafka import KafkaReader
from streams.replay.selection import Selection
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.helpers.posts import raw_posts
from tests.helpers.records import produce
from tests.streams.replay.filled import fill


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
