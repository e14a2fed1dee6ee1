from __future__ import annotations

import numpy as np
import pytest

from streams.spikes.baseline import BLOCK_MINUTES, Baseline
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
