from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.spikes.counts import MinuteCounts
from streams.spikes.running_sums import KEPT_MINUTES, RunningSums, Sums
from tests.streams.spikes.feed import at


def sums_of(minutes: list[tuple[int, int]]) -> RunningSums:
    recent = RunningSums()
    for number, (posts, negative) in enumerate(minutes):
        recent.add(MinuteCounts(at(number), "a", posts, negative), posts // 2, negative // 2)
    return recent


def test_sums_of_a_window_are_differences() -> None:
    recent = sums_of([(10, 4), (0, 0), (6, 2)])
    assert recent.total == Sums(16, 6, 8, 3)
    assert recent.total.minus(recent.before(1)) == Sums(6, 2, 3, 1)
    assert recent.total.minus(recent.before(2)) == Sums(6, 2, 3, 1)
    assert recent.total.minus(recent.before(3)) == recent.total
    assert recent.before(99) == Sums(0, 0, 0, 0)


def test_the_rate_covers_the_preceding_minutes() -> None:
    recent = sums_of([(10, 4), (2, 0), (60, 2)])
    assert [recent.rate(minutes) for minutes in (0, 1, 2, 3, 4)] == [24, 6, 10, None, None]


def test_before_the_first_minute_there_is_nothing() -> None:
    recent = RunningSums()
    assert (recent.total, recent.before(0), recent.before(5), recent.rate(0)) == (*[Sums(0, 0, 0, 0)] * 3, None)


@given(st.lists(st.integers(0, 50), max_size=300), st.integers(0, 300))
def test_what_is_kept_is_bounded_and_adds_up(posts: list[int], minutes: int) -> None:
    recent = sums_of([(each, each) for each in posts])
    kept = posts[-KEPT_MINUTES:]
    window = kept[max(0, len(kept) - minutes) :]
    assert recent.total.posts == sum(posts)
    assert recent.total.minus(recent.before(minutes)).posts == sum(window)
    assert len(recent.sums) == len(kept) + 1
    if minutes < len(kept):
        rate = sum(kept[: len(kept) - minutes]) / (len(kept) - minutes)
        assert recent.rate(minutes) == pytest.approx(rate)
    else:
        assert recent.rate(minutes) is None
