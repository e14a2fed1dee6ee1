from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.spikes.surge import Limits, Surge

LIMITS = Limits(deviations=3.3, min_posts=10, rest_bins=288)
DAY = 288


def changes(counts: list[int], limits: Limits = LIMITS) -> list[tuple[int, str]]:
    surge = Surge(limits)
    return [(row, answer) for row, count in enumerate(counts) if (answer := surge.add(count))]


def quiet(days: float, rate: float = 40, seed: int = 1) -> list[int]:
    counts: list[int] = np.random.default_rng(seed).poisson(rate, round(days * DAY)).tolist()
    return counts


def test_it_opens_at_once_and_closes_when_it_is_over() -> None:
    counts = quiet(3)
    counts[500:520] = [400] * 20
    assert changes(counts) == [(500, "opened"), (522, "closed")]


def test_a_second_surge_waits_unless_it_is_greater() -> None:
    counts = quiet(3)
    counts[400:410] = [400] * 10
    counts[450:460] = [400] * 10
    counts[500:510] = [1_200] * 10
    assert [row for row, answer in changes(counts) if answer == "opened"] == [400, 501]


def test_a_daily_rise_is_not_a_surge() -> None:
    counts = quiet(8)
    for day in range(8):
        counts[day * DAY + 100 : day * DAY + 112] = [400] * 12
    assert [row for row, answer in changes(counts) if answer == "opened" and row > 2 * DAY + 112] == []


def test_a_few_posts_after_none_are_not_a_surge() -> None:
    counts = [0] * (2 * DAY)
    counts[400] = 6
    assert changes(counts) == []


def test_the_usual_rate_is_the_median() -> None:
    surge = Surge(LIMITS)
    for count in quiet(1, rate=25):
        surge.add(count)
    assert surge.usual_rate == pytest.approx(5, rel=0.05)


@settings(max_examples=20, deadline=None)
@given(count=st.integers(0, 10_000))
def test_constant_counts_never_surge(count: int) -> None:
    assert changes([count] * 600, Limits(deviations=2.0, min_posts=0, rest_bins=0)) == []
