"""Bars and columns have the width and the height of their values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.up.chart import COLOURS, columns, sentiments, stacked
from streams.up.mood import SentimentTally

_COUNTS = st.integers(0, 10_000)


def lengths(text: object) -> list[tuple[int, str]]:
    """Return the length and the style of each part of a bar."""
    return [(span.end - span.start, str(span.style)) for span in text.spans]  # type: ignore[attr-defined]


def test_a_bar_is_divided_by_its_shares() -> None:
    bar = stacked([(0.5, "red"), (0.25, "blue")], 8)
    assert bar.plain == "▇" * 6
    assert lengths(bar) == [(4, "red"), (2, "blue")]
    assert stacked([], 8).plain == ""
    assert stacked([(0.0, "red"), (1.0, "blue")], 3).plain == "▇▇▇"


def test_rounding_errors_do_not_add_up() -> None:
    assert len(stacked([(1 / 3, "red"), (1 / 3, "blue"), (1 / 3, "green")], 10).plain) == 10
    assert [length for length, _ in lengths(stacked([(0.125, "red")] * 8, 12))] == [2, 1, 1, 2, 2, 1, 1, 2]


@given(st.tuples(_COUNTS, _COUNTS, _COUNTS).filter(any), st.integers(1, 200))
def test_a_mood_fills_its_bar(counts: tuple[int, int, int], width: int) -> None:
    bar = sentiments(SentimentTally(*counts), width)
    assert bar.plain == "▇" * width
    by_colour = {colour: length for length, colour in lengths(bar)}
    for colour, count in zip(COLOURS.values(), counts, strict=True):
        assert abs(by_colour.get(colour, 0) - count / sum(counts) * width) <= 1


def test_a_mood_without_posts_has_no_bar() -> None:
    assert sentiments(SentimentTally(), 10).plain == ""


def test_columns_are_drawn_in_eighths_from_the_bottom() -> None:
    lines = columns([None, 0.0, 0.25, 0.5, 0.75, 1.0, 2.0], ["white"] * 7, top=1.0, rows=2)
    assert [line.plain for line in lines] == ["    ▄██", " ▁▄████"]


def test_each_column_has_its_width_and_its_style() -> None:
    [line] = columns([1.0, 0.5], ["red", "blue"], top=1.0, rows=1, each=3)
    assert line.plain == "███▄▄▄"
    assert lengths(line) == [(3, "red"), (3, "blue")]


def test_a_column_without_a_style_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        columns([1.0, 2.0], ["red"], top=2.0, rows=1)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(1, 8), st.integers(1, 4))
def test_a_chart_has_its_size_and_higher_values_have_more_ink(values: list[float], rows: int, each: int) -> None:
    lines = [line.plain for line in columns(values, ["red"] * len(values), top=1.0, rows=rows, each=each)]
    assert [len(line) for line in lines] == [len(values) * each] * rows
    heights = [sum(" ▁▂▃▄▅▆▇█".index(line[number * each]) for line in lines) for number in range(len(values))]
    for value, height in zip(values, heights, strict=True):
        assert height == pytest.approx(value * rows * 8, abs=1)
        assert height >= 1, "even 0 is visible"
