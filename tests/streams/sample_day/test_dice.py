from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sample_day.dice import Dice

_seeds = st.integers(0, 2**32)


def test_dice_fall_the_same_way_on_every_python() -> None:
    dice = Dice(1)
    assert [dice.integer(1, 6) for _ in range(8)] == [1, 6, 5, 2, 3, 3, 4, 5]
    assert dice.shuffled("abcdef") == ["e", "c", "b", "d", "f", "a"]
    assert sorted(Dice(3).shuffled(range(100))) == list(range(100))


@given(_seeds, st.integers(-50, 50), st.integers(0, 50))
def test_an_integer_is_within_its_limits(seed: int, low: int, width: int) -> None:
    dice = Dice(seed)
    drawn = {dice.integer(low, low + width) for _ in range(20)}
    assert min(drawn) >= low
    assert max(drawn) <= low + width


def test_both_limits_are_drawn() -> None:
    dice = Dice(1)
    assert {dice.integer(1, 6) for _ in range(200)} == {1, 2, 3, 4, 5, 6}
    assert {dice.pick("abc") for _ in range(100)} == {"a", "b", "c"}


def test_a_chance_succeeds_as_often_as_its_probability() -> None:
    dice = Dice(1)
    assert sum(dice.chance(0.3) for _ in range(10_000)) == pytest.approx(3_000, rel=0.05)
    assert not any(dice.chance(0.0) for _ in range(100))
    assert all(dice.chance(1.0) for _ in range(100))


@given(_seeds)
def test_draws_of_any_seed_stay_in_range(seed: int) -> None:
    dice = Dice(seed)
    assert dice.waiting(9.0) >= 0
    assert 2.0 <= dice.heavy(2.0) <= 60.0
    assert 0 <= dice.below(5.0) < 5
    assert dice.heavy(0.0) == 0


def test_waiting_times_have_their_mean_and_attention_a_long_tail() -> None:
    dice = Dice(1)
    assert sum(dice.waiting(9.0) for _ in range(10_000)) / 10_000 == pytest.approx(9.0, rel=0.05)
    drawn = sorted(dice.heavy(1.0) for _ in range(10_000))
    assert drawn[5_000] == pytest.approx(0.5**-0.6, rel=0.05), "the median"
    assert drawn[-1] == 30


@given(_seeds, st.lists(st.integers()))
def test_shuffling_loses_nothing(seed: int, items: list[int]) -> None:
    before = list(items)
    assert sorted(Dice(seed).shuffled(items)) == sorted(items)
    assert items == before
