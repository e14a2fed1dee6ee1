from __future__ import annotations

import pytest

from streams.spikes.same_hour import DAY_MINUTES, SameHour


def test_the_same_hour_of_earlier_days() -> None:
    same_hour = SameHour(0)
    for minute in range(2 * DAY_MINUTES):
        same_hour.add(minute, 10 if minute % DAY_MINUTES < 60 else 1, 0)
    assert same_hour.rate(2 * DAY_MINUTES) == pytest.approx(10)
    assert same_hour.rate(2 * DAY_MINUTES + 700) == pytest.approx(1)
    assert SameHour(0).rate(5) is None
    assert same_hour.around(2 * DAY_MINUTES + 700)[0] == pytest.approx(9 * 15 * 1.75)


def test_earlier_days_fade() -> None:
    same_hour = SameHour(0)
    same_hour.add(600, 40, 10)
    same_hour.add(DAY_MINUTES + 600, 8, 4)
    assert same_hour.around(2 * DAY_MINUTES + 600) == pytest.approx((40 * 0.75 + 8, 10 * 0.75 + 4))
    weight = 0.75 + 0.75**2
    assert same_hour.rate(2 * DAY_MINUTES + 600) == pytest.approx((40 * 0.75**2 + 8 * 0.75) / weight / 15)


def test_the_same_hour_spans_midnight() -> None:
    same_hour = SameHour(0)
    same_hour.add(DAY_MINUTES - 1, 7, 3)
    assert same_hour.around(DAY_MINUTES) == (0, 0), "only a minute ago, not a day"
    assert same_hour.around(2 * DAY_MINUTES + 59) == (7, 3)
    assert same_hour.around(2 * DAY_MINUTES + 60) == (0, 0), "more than an hour away"


def test_today_does_not_count() -> None:
    same_hour = SameHour(0)
    same_hour.add(DAY_MINUTES + 600, 7, 3)
    assert same_hour.around(DAY_MINUTES + 600) == (0, 0)
    assert same_hour.rate(DAY_MINUTES + 600) is None
    assert same_hour.rate(2 * DAY_MINUTES + 600) == pytest.approx(7 * 0.75 / (0.75 + 0.75**2) / 15)
