from __future__ import annotations

import pytest

from streams.sources.x.reconnect import BackoffSchedule, ReconnectBackoff


def test_pauses_grow_up_to_their_limit_and_start_again_after_a_success() -> None:
    linear, doubling = BackoffSchedule(1.0, 3.0, add=0.75), BackoffSchedule(5.0, 30.0, factor=2.0)
    assert [linear.next() for _ in range(5)] == [1.0, 1.75, 2.5, 3.0, 3.0]
    assert [doubling.next() for _ in range(5)] == [5.0, 10.0, 20.0, 30.0, 30.0]
    doubling.reset()
    assert doubling.next() == 5.0


def test_each_kind_of_error_has_the_pauses_that_x_asks_for() -> None:
    pauses = ReconnectBackoff(lambda: 0.0)
    assert [pauses.after_network_error() for _ in range(3)] == [0.25, 0.5, 0.75]
    assert [pauses.after_http_error() for _ in range(8)] == [5, 10, 20, 40, 80, 160, 320, 320]
    assert [pauses.after_limit(0) for _ in range(6)] == [60, 120, 240, 480, 900, 900]
    for _ in range(100):
        longest = pauses.after_network_error()
    assert longest == 16
    pauses.reset()
    assert (pauses.after_network_error(), pauses.after_http_error(), pauses.after_limit(0)) == (0.25, 5, 60)


def test_a_rate_limit_is_waited_out() -> None:
    pauses = ReconnectBackoff(lambda: 0.0)
    assert (pauses.after_limit(700), pauses.after_limit(10)) == (700, 120)


def test_jitter_makes_a_pause_up_to_a_tenth_longer() -> None:
    pauses = ReconnectBackoff(lambda: 1.0)
    assert pauses.after_http_error() == pytest.approx(5.5)
    assert pauses.after_limit(700) == pytest.approx(770)
