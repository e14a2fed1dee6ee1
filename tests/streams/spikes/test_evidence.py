from __future__ import annotations

from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.spikes.evidence import likelihood_ratio, return_likelihood_ratio


def test_against_a_certain_baseline_evidence_is_the_divergence() -> None:
    divergence = 0.5 * log(0.5 / 0.2) + 0.5 * log(0.5 / 0.8)
    assert likelihood_ratio(20, 40, 0.2, 1e12) == pytest.approx(40 * divergence, rel=1e-3)


@given(n=st.integers(1, 200), k=st.integers(0, 200), usual=st.floats(0.01, 0.99), weight=st.floats(1, 1e5))
def test_evidence_is_never_negative_and_grows_with_certainty(n: int, k: int, usual: float, weight: float) -> None:
    k = min(k, n)
    found = likelihood_ratio(k, n, usual, weight)
    assert found >= -1e-9
    assert likelihood_ratio(k, n, usual, weight * 2) >= found - 1e-9
    if k <= usual * n:
        assert found == 0


def test_evidence_of_the_return_to_usual() -> None:
    assert return_likelihood_ratio(0, 10, 0.2, 0.5) > 0 > return_likelihood_ratio(10, 10, 0.2, 0.5)
