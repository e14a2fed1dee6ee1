"""The watchdog tells a stall from idleness, progress and an outage."""

from __future__ import annotations

from streams.watchdog import StallDetector, Standing


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
