from __future__ import annotations

import pytest

from streams.spikes.lagged_baseline import LEAST_WEIGHT, LaggedBaseline


def test_a_spike_stays_out_of_the_baseline() -> None:
    baseline = LaggedBaseline(0)
    for minute in range(600):
        bad = 300 <= minute < 330
        baseline.add(minute, 20, 14 if bad else 4, in_spike=300 < minute < 335)
        if minute == 335:
            baseline.leave_out(300, 329)
    assert baseline.usual.share == pytest.approx(0.2, abs=0.005)


def test_half_of_a_young_stream_is_its_baseline() -> None:
    baseline = LaggedBaseline(0)
    assert [baseline.longest_window(minute) for minute in (0, 10, 31, 120, 500)] == [0, 5, 15, 60, 60]


def test_a_share_is_learnt_an_hour_later() -> None:
    baseline = LaggedBaseline(0)
    for minute in range(360):
        baseline.add(minute, 20, 4 if minute < 300 else 16, in_spike=False)
        if minute == 359:
            assert baseline.usual.share == pytest.approx(0.2, abs=0.005)
    for minute in range(360, 372):
        baseline.add(minute, 20, 16, in_spike=False)
    assert baseline.usual.share > 0.21


def test_while_a_spike_is_open_its_share_is_learnt_after_four_hours() -> None:
    baseline = LaggedBaseline(0)
    for minute in range(900):
        baseline.add(minute, 20, 4 if minute < 300 else 16, in_spike=minute > 300)
        if minute == 539:
            assert baseline.usual.share == pytest.approx(0.2, abs=0.005)
    assert baseline.usual.share == pytest.approx(0.8, abs=0.05)


def test_nothing_is_known_of_the_first_minutes() -> None:
    baseline = LaggedBaseline(1_000)
    weights = []
    for minute in range(1_000, 1_030):
        baseline.add(minute, 20, 4, in_spike=False)
        weights.append(baseline.usual.weight)
    assert weights[4] < LEAST_WEIGHT < weights[-1]
    assert [baseline.overdispersion(minutes) for minutes in (1, 15, 45)] == [1, 1, 1]
