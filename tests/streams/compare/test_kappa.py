"""Kappa and its intervals: values computed by hand, and properties that hold for any counts."""

from __future__ import annotations

import random
from collections import Counter
from math import sqrt

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streams.compare.kappa import influences, kappa, kappa_interval
from streams.compare.measures import agreement_of

LABELS = ("negative", "neutral", "positive")

tables = st.dictionaries(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), st.integers(1, 500), min_size=1)


def test_kappa_by_hand() -> None:
    # agreed 35 of 50; by chance (25 · 30 + 25 · 20) / 50² = 0.5; (0.7 - 0.5) / 0.5
    assert kappa({("y", "y"): 20, ("y", "n"): 5, ("n", "y"): 10, ("n", "n"): 15}) == pytest.approx(0.4)


def test_the_interval_by_hand() -> None:
    pairs = {("y", "y"): 20, ("y", "n"): 5, ("n", "y"): 10, ("n", "n"): 15}
    # Fleiss, Cohen and Everitt: diagonal 0.4 · (0.5 - 1.1 · 0.3)² + 0.3 · (0.5 - 0.9 · 0.3)²,
    # others 0.3² · (0.1 · (0.6 + 0.5)² + 0.2 · (0.5 + 0.4)²), last term (0.7 · 0.5 - 2 · 0.5 + 0.7)²
    diagonal = 0.4 * (0.5 - 1.1 * 0.3) ** 2 + 0.3 * (0.5 - 0.9 * 0.3) ** 2
    others = 0.3**2 * (0.1 * (0.6 + 0.5) ** 2 + 0.2 * (0.5 + 0.4) ** 2)
    error = sqrt((diagonal + others - 0.05**2) / (50 * 0.5**4))
    assert kappa_interval(pairs) == pytest.approx((0.4 - 1.96 * error, 0.4 + 1.96 * error), abs=1e-4)


def test_the_interval_is_as_wide_as_the_spread_of_drawn_samples() -> None:
    pairs = {("a", "a"): 300, ("a", "b"): 60, ("b", "a"): 40, ("b", "b"): 200, ("c", "b"): 30, ("c", "c"): 70}
    chance = random.Random(5)
    cells, counts = list(pairs), list(pairs.values())
    values = sorted(kappa(Counter(chance.choices(cells, counts, k=sum(counts)))) or 0 for _ in range(2_000))
    found = kappa_interval(pairs)
    assert found is not None
    assert found == pytest.approx((values[50], values[1949]), abs=0.012)


@given(tables)
def test_a_run_agrees_with_itself(counts: dict[tuple[str, str], int]) -> None:
    same = Counter[tuple[str, str]]()
    for (label, _), count in counts.items():
        same[label, label] += count
    assert kappa(same) == (1.0 if len(same) > 1 else None)
    assert kappa_interval(same) is None


@given(tables)
def test_kappa_and_its_interval_do_not_depend_on_the_order_of_the_runs(counts: dict[tuple[str, str], int]) -> None:
    turned = {(b, a): count for (a, b), count in counts.items()}
    assert kappa(turned) == kappa(counts)
    assert kappa_interval(turned) == (pytest.approx(kappa_interval(counts)) if kappa_interval(counts) else None)


@given(tables)
def test_the_interval_contains_the_value(counts: dict[tuple[str, str], int]) -> None:
    value, interval = kappa(counts), kappa_interval(counts)
    assume(value is not None)
    assume(interval is not None)
    assert -1 <= interval[0] <= value <= interval[1] <= 1  # type: ignore[index, operator]


@given(tables, st.integers(2, 9))
def test_influences_do_not_change_with_the_number_of_posts(counts: dict[tuple[str, str], int], times: int) -> None:
    assume(kappa(counts) is not None)
    more = {pair: count * times for pair, count in counts.items()}
    assert influences(more, set(LABELS)) == pytest.approx(influences(counts, set(LABELS)))


def test_without_posts_there_is_no_kappa_and_no_interval() -> None:
    assert (kappa({}), kappa_interval({}), agreement_of({}).interval) == (None, None, None)
