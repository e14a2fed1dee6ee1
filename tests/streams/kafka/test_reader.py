"""Readers: the current end offsets of partitions."""

from __future__ import annotations

import pytest
from kafka import TopicPartition

from streams.errors import Unavailable
from streams.kafka import topics
from streams.kafka.reader import end_offsets, open_reader, partitions_of
from streams.processes.broker import Broker
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.helpers.records import produce


def test_the_last_batch_counts_completely_and_new_records_are_seen(settings: Settings) -> None:
    topics.create(settings)
    topic = settings.topics.raw
    places = [TopicPartition(topic, number) for number in range(4)]
    with open_reader(settings.kafka) as consumer:
        assert partitions_of(consumer, topic, "no-such-topic") == places
        for expected in (0, 100, 200):
            ends = end_offsets(consumer, places)
            assert [ends[at] for at in places] == [0, 0, expected, 0]
            produce(settings.kafka, topic, [(b"key", b"%d" % number) for number in range(100)], partition=2)


def test_a_frozen_broker_is_unavailable(fresh_embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(fresh_embedded_broker)
    topics.create(settings)
    with open_reader(settings.kafka) as consumer:
        places = partitions_of(consumer, settings.topics.raw)
        fresh_embedded_broker.suspend()
        with pytest.raises(
            Unavailable, match=f"the end offsets of {settings.topics.raw} could not be read within 0.5 s"
        ):
            end_offsets(consumer, places, timeout=0.5)
        fresh_embedded_broker.resume()
