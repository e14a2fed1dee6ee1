from __future__ import annotations

import numpy as np
import pytest

from streams.spikes.baseline import BLOCK_MINUTES, Baseline
from streams.spikes.dispersion import Dispersion
from streams.spikes.lagged_baseline import LaggedBaseline
from streams.spikes.same_hour import DAY_MINUTES, SameHour

BLOCKS_DAY = DAY_MINUTES // BLOCK_MINUTES


def learnt(shares: np.ndarray, posts: int = 60, seed: int = 1) -> Baseline:
    dice, baseline = np.random.default_rng(seed), Baseline(SameHour(0))
    for block, share in enumerate(shares):
        predicted = baseline.usual(block * BLOCK_MINUTES)
        baseline.learn(block * BLOCK_MINUTES, posts, int(dice.binomial(posts, share)), predicted)
    return baseline


def test_certainty_about_a_steady_share_grows() -> None:
    weights = []
    for blocks in (5, 50, 500):
        usual = learnt(np.full(blocks, 0.3)).usual(blocks * BLOCK_MINUTES)
        assert usual.share == pytest.approx(0.3, abs=0.08)
        weights.append(usual.weight)
    assert weights == sorted(weights)
    assert weights[-1] > 2_000


def test_after_a_change_the_short_horizons_are_trusted() -> None:
    usual = learnt(np.repeat([0.2, 0.4], [3 * BLOCKS_DAY, 60])).usual((3 * BLOCKS_DAY + 60) * BLOCK_MINUTES)
    assert usual.share == pytest.approx(0.4, abs=0.05)


def test_a_share_that_moves_with_the_hour_is_followed() -> None:
    blocks = np.arange(8 * BLOCKS_DAY)
    shares = 0.3 + 0.12 * np.sin(blocks / BLOCKS_DAY * 2 * np.pi)
    baseline = learnt(shares)
    assert baseline.usual(int(blocks[-1] + 1) * BLOCK_MINUTES).share == pytest.approx(0.3, abs=0.04)
    assert learnt(shares[:-72]).usual(int(blocks[-72]) * BLOCK_MINUTES).share == pytest.approx(0.18, abs=0.04)


@pytest.mark.parametrize("negative", [0, 60])
def test_extreme_shares_stay_between_0_and_1(negative: int) -> None:
    baseline = Baseline(SameHour(0))
    for block in range(2 * BLOCKS_DAY):
        baseline.learn(block * BLOCK_MINUTES, 60, negative, baseline.usual(block * BLOCK_MINUTES))
    assert 0.01 <= baseline.usual(2 * DAY_MINUTES).share <= 0.99


def test_nothing_is_known_without_posts() -> None:
    baseline = Baseline(SameHour(0))
    assert baseline.usual(0).weight < 2
    for _ in range(10 * BLOCKS_DAY):
        baseline.skip()
    assert baseline.usual(14_400).weight < 2


def test_overdispersion_is_measured_by_window_length() -> None:
    usual = learnt(np.full(500, 0.3)).usual(2_500)
    dice = np.random.default_rng(1)
    calm, drifting = Dispersion(), Dispersion()
    for block in range(600):
        calm.learn(60, int(dice.binomial(60, 0.3)), usual)
        drifting.learn(60, int(dice.binomial(60, 0.3 + 0.08 * np.sin(block / 6))), usual)
    assert all(calm.of(minutes) < 1.25 for minutes in (1, 15, 45))
    assert drifting.of(45) > drifting.of(15) > drifting.of(5) > 1.2


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


def test_the_same_hour_of_earlier_days() -> None:
    same_hour = SameHour(0)
    for minute in range(2 * DAY_MINUTES):
        same_hour.add(minute, 10 if minute % DAY_MINUTES < 60 else 1, 0)
    assert same_hour.rate(2 * DAY_MINUTES) == pytest.approx(10)
    assert same_hour.rate(2 * DAY_MINUTES + 700) == pytest.approx(1)
    assert SameHour(0).rate(5) is None
    assert same_hour.around(2 * DAY_MINUTES + 700)[0] == pytest.approx(9 * 15 * 1.75)
