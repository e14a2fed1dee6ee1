"""The watchdog tells a stall from idleness, progress and an outage."""

from __future__ import annotations

from streams.watchdog import StallDetector


def test_lag_without_progress_is_a_stall_after_the_limit() -> None:
    detector = StallDetector(10)
    assert not detector.is_stalled(5, acknowledged=3, now=0)
    assert not detector.is_stalled(6, acknowledged=3, now=9.9)
    assert detector.is_stalled(7, acknowledged=3, now=10.1)


def test_progress_starts_the_time_anew() -> None:
    detector = StallDetector(10)
    detector.is_stalled(5, acknowledged=3, now=0)
    assert not detector.is_stalled(5, acknowledged=4, now=9)
    assert not detector.is_stalled(5, acknowledged=4, now=18)
    assert detector.is_stalled(5, acknowledged=4, now=20)


def test_without_lag_there_is_no_stall() -> None:
    detector = StallDetector(10)
    for now in range(0, 100, 5):
        assert not detector.is_stalled(0, acknowledged=3, now=now)
    assert not detector.is_stalled(1, acknowledged=3, now=101), "the lag is new"


def test_an_unknown_lag_is_no_stall() -> None:
    detector = StallDetector(10)
    detector.is_stalled(5, acknowledged=3, now=0)
    assert not detector.is_stalled(None, acknowledged=3, now=50)
    assert not detector.is_stalled(5, acknowledged=3, now=55), "the broker has only just come back"
