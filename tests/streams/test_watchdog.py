"""The watchdog tells a stall from idleness, progress and an outage."""

from __future__ import annotations

import threading

import pytest

from streams import metrics, topics
from streams.broker import Broker
from streams.watchdog import StallDetector, Standing, Watchdog
from tests.conftest import SettingsFactory
from tests.helpers.processes import wait_until
from tests.helpers.records import produce


def test_lag_without_progress_is_a_stall_after_the_limit() -> None:
    detector = StallDetector(10)
    assert not detector.is_stalled(Standing(lag=5, done=3), now=0)
    assert not detector.is_stalled(Standing(lag=6, done=3), now=9.9)
    assert detector.is_stalled(Standing(lag=7, done=3), now=10.1)


def test_progress_starts_the_time_anew() -> None:
    detector = StallDetector(10)
    detector.is_stalled(Standing(lag=5, done=3), now=0)
    assert not detector.is_stalled(Standing(lag=5, done=4), now=9)
    assert not detector.is_stalled(Standing(lag=5, done=4), now=18)
    assert detector.is_stalled(Standing(lag=5, done=4), now=20)


def test_without_lag_there_is_no_stall() -> None:
    detector = StallDetector(10)
    for now in range(0, 100, 5):
        assert not detector.is_stalled(Standing(lag=0, done=3), now=now)
    assert not detector.is_stalled(Standing(lag=1, done=3), now=120), "the lag is new"
    assert not detector.is_stalled(Standing(lag=1, done=3), now=129)
    assert detector.is_stalled(Standing(lag=1, done=3), now=131)


def test_what_is_not_known_is_no_stall() -> None:
    detector = StallDetector(10)
    detector.is_stalled(Standing(lag=5, done=3), now=0)
    assert not detector.is_stalled(None, now=50)
    assert not detector.is_stalled(Standing(lag=5, done=3), now=55), "the broker has only just come back"


@pytest.mark.parametrize("handled", [5, 3])
def test_what_is_handled_but_not_yet_acknowledged_is_no_lag(
    embedded_broker: Broker, settings_for: SettingsFactory, handled: int
) -> None:
    """As of the watch, which acknowledges posts only once their minutes are final."""
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
        wait_until(lambda: place in watchdog.read_up, 30, "the watchdog has looked")
        assert watchdog.read_up == {place: handled == 5}
        assert metrics.LAG.labels("watch", place[0], "0")._value.get() == 5 - handled
        assert not watchdog.stalled, "a first look at lag is no stall"
    finally:
        watchdog.stop()
