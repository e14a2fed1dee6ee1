"""The watchdog distinguishes a stall from idleness, progress and an outage."""

from __future__ import annotations

import threading

import pytest
from aiokafka import AIOKafkaProducer

from streams import metrics
from streams.kafka import connection, topics
from streams.processes.broker import Broker
from streams.runtime.watchdog import PartitionWork, StallDetector, Watchdog
from tests.conftest import SettingsFactory
from tests.helpers.processes import eventually, wait_until
from tests.helpers.records import produce
from tests.helpers.scrapes import value_of

ONE, TWO = ("posts.raw", 0), ("posts.raw", 1)


def test_lag_without_progress_is_a_stall_after_the_limit() -> None:
    detector = StallDetector(10)
    assert detector.stalled({ONE: PartitionWork(lag=5, done=3)}, now=0) == []
    assert detector.stalled({ONE: PartitionWork(lag=6, done=3)}, now=9.9) == []
    assert detector.stalled({ONE: PartitionWork(lag=7, done=3)}, now=10.1) == [ONE]


def test_progress_restarts_the_time() -> None:
    detector = StallDetector(10)
    detector.stalled({ONE: PartitionWork(lag=5, done=3)}, now=0)
    assert detector.stalled({ONE: PartitionWork(lag=5, done=4)}, now=9) == []
    assert detector.stalled({ONE: PartitionWork(lag=5, done=4)}, now=18) == []
    assert detector.stalled({ONE: PartitionWork(lag=5, done=4)}, now=20) == [ONE]


def test_a_partition_that_stalls_is_seen_while_another_moves() -> None:
    detector = StallDetector(10)
    for now in range(11):
        work = {ONE: PartitionWork(lag=5, done=now), TWO: PartitionWork(lag=1, done=0)}
        assert detector.stalled(work, now=now) == []
    assert detector.stalled({ONE: PartitionWork(lag=5, done=11), TWO: PartitionWork(lag=1, done=0)}, now=11) == [TWO]


def test_a_partition_that_went_elsewhere_is_forgotten() -> None:
    detector = StallDetector(10)
    detector.stalled({ONE: PartitionWork(lag=5, done=3)}, now=0)
    assert detector.stalled({TWO: PartitionWork(lag=5, done=3)}, now=5) == []
    assert detector.stalled({ONE: PartitionWork(lag=5, done=3), TWO: PartitionWork(lag=5, done=3)}, now=12) == []


def test_without_lag_there_is_no_stall() -> None:
    detector = StallDetector(10)
    for now in range(0, 100, 5):
        assert detector.stalled({ONE: PartitionWork(lag=0, done=3)}, now=now) == []
    assert detector.stalled({ONE: PartitionWork(lag=1, done=3)}, now=120) == [], "the lag is new"
    assert detector.stalled({ONE: PartitionWork(lag=1, done=3)}, now=129) == []
    assert detector.stalled({ONE: PartitionWork(lag=1, done=3)}, now=131) == [ONE]


def test_an_unknown_state_is_not_a_stall() -> None:
    detector = StallDetector(10)
    detector.stalled({ONE: PartitionWork(lag=5, done=3)}, now=0)
    assert detector.stalled(None, now=50) == []
    assert detector.stalled({ONE: PartitionWork(lag=5, done=3)}, now=55) == [], "the broker has only just come back"


@pytest.mark.parametrize("handled", [5, 3])
def test_what_is_handled_but_not_yet_acknowledged_is_not_lag(
    embedded_broker: Broker, settings_for: SettingsFactory, handled: int
) -> None:
    """The watch worker acknowledges posts only once their minutes are final."""
    settings = settings_for(embedded_broker, topics={"partitions": 1})
    topics.create(settings)
    place = settings.topics.enriched, 0
    produce(settings.kafka, place[0], [(b"key", b"value")] * 5)
    ended = threading.Event()
    watchdog = Watchdog(
        {place[0]: "watch"},
        "a-group-without-commits",
        settings.kafka,
        0.0,
        assigned=lambda: {place},
        waiting=lambda: False,
        handled=lambda: {place: handled},
        end=lambda code, why: ended.set(),  # type: ignore[arg-type,return-value]
    )
    watchdog.start()
    try:
        wait_until(lambda: place in watchdog.read_up, 30, "the watchdog has checked")
        assert watchdog.read_up == {place: handled == 5}
        assert value_of(metrics.LAG.labels("watch", place[0], "0")) == 5 - handled
        assert not watchdog.stalled, "lag at the first check is not a stall"
    finally:
        watchdog.stop()


def test_partitions_without_an_owner_are_watched_too(embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(embedded_broker, topics={"partitions": 1})
    topics.create(settings)
    place = settings.topics.raw, 0
    produce(settings.kafka, place[0], [(b"key", b"value")] * 5)
    ended: list[str] = []
    watchdog = Watchdog(
        {place[0]: "enrich"},
        "a-group-without-commits",
        settings.kafka,
        0.0,
        assigned=set,
        waiting=lambda: False,
        unassigned=lambda: {place},
        end=lambda code, why: ended.append(why),  # type: ignore[arg-type,return-value]
    )
    watchdog.start()
    try:
        wait_until(lambda: bool(ended), 30, "the watchdog ended the worker")
        assert f"has records of {place[0]}[0] to read" in ended[0]
        assert value_of(metrics.LAG.labels("enrich", place[0], "0")) == 5
        assert value_of(metrics.UNASSIGNED.labels("enrich")) == 1
    finally:
        watchdog.stop()


async def test_an_open_transaction_is_not_a_stall(apache_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(apache_broker, topics={"partitions": 1})
    topics.create(settings)
    place = settings.topics.raw, 0
    ended, looks = threading.Event(), list[int]()

    def handled() -> dict[tuple[str, int], int]:
        looks.append(0)
        return {}

    watchdog = Watchdog(
        {place[0]: "enrich"}, "a-group-without-commits", settings.kafka, 0.0, assigned=lambda: {place},
        waiting=lambda: False, handled=handled, end=lambda code, why: ended.set(),  # type: ignore[arg-type,return-value]
    )  # fmt: skip
    producer = AIOKafkaProducer(**connection.aiokafka(settings.kafka), transactional_id=place[0])
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait(place[0], b"not committed", partition=0)
        watchdog.start()
        await eventually(lambda: len(looks) >= 3, 60, "the watchdog has checked several times")
        assert value_of(metrics.LAG.labels("enrich", place[0], "0")) == 1
        assert not ended.is_set()
        await producer.commit_transaction()
        await eventually(ended.is_set, 60, "it can be read now, and is not")
    finally:
        watchdog.stop()
        await producer.stop()
