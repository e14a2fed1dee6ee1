from __future__ import annotations

from math import inf

import numpy as np
import pytest

from streams.spikes.baseline import BaselineShare
from streams.spikes.dispersion import Dispersion

CERTAIN = BaselineShare(0.5, inf)


def test_overdispersion_is_measured_by_window_length() -> None:
    usual = BaselineShare(0.3, 10_000.0)
    dice = np.random.default_rng(1)
    calm, drifting = Dispersion(), Dispersion()
    for block in range(600):
        calm.learn(60, int(dice.binomial(60, 0.3)), usual)
        drifting.learn(60, int(dice.binomial(60, 0.3 + 0.08 * np.sin(block / 6))), usual)
    assert all(calm.of(minutes) < 1.25 for minutes in (1, 15, 45))
    assert drifting.of(45) > drifting.of(15) > drifting.of(5) > 1.2


def test_each_scale_waits_for_its_blocks_and_caps_what_one_sample_adds() -> None:
    dispersion = Dispersion()
    one_sample = (20 + 9) / (20 + 1)
    assert [dispersion.of(minutes) for minutes in (1, 9, 26)] == [1, 1, 1]
    dispersion.learn(100, 100, CERTAIN)
    assert [dispersion.of(minutes) for minutes in (8, 9)] == [pytest.approx(one_sample), 1]
    for _ in range(2):
        dispersion.learn(100, 100, CERTAIN)
    assert [dispersion.of(minutes) for minutes in (9, 25, 26)] == [pytest.approx(one_sample)] * 2 + [1]
    for _ in range(6):
        dispersion.learn(100, 100, CERTAIN)
    assert dispersion.of(26) == dispersion.of(45) == pytest.approx(one_sample)


def test_a_few_posts_prove_no_dispersion() -> None:
    dispersion = Dispersion()
    dispersion.learn(4, 4, CERTAIN)
    assert dispersion.of(1) == 1
    dispersion.learn(5, 5, CERTAIN)
    assert dispersion.of(1) == pytest.approx((20 + 2.5**2 / 1.25) / 21)


def test_less_variation_than_chance_adds_no_certainty() -> None:
    dispersion = Dispersion()
    for _ in range(50):
        dispersion.learn(100, 50, CERTAIN)
    assert dispersion.of(1) == 1
