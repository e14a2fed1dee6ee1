"""The page of a comparison: what it says, how it is drawn, and that posts cannot add anything to it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.compare.comparison import Change, ChangedPost, Comparison, Daily, PostLabels
from streams.compare.page import as_page
from tests.streams.compare.empty import CHANGE, COMPARISON

LABELS = PostLabels(language="en", sentiment="negative", negative=0.9, neutral=0.1, positive=0.0)


def with_shares(*shares: tuple[float | None, float | None]) -> Comparison:
    """Return a comparison with a day for each pair of shares."""
    days = [
        msgspec.structs.replace(CHANGE, day=date(2026, 6, 1 + number), share_a=a, share_b=b)
        for number, (a, b) in enumerate(shares)
    ]
    return with_days(*days)


def with_days(*days: Change) -> Comparison:
    return msgspec.structs.replace(COMPARISON, daily=Daily(all=days, hashtags=(), languages=()))


def with_texts(*texts: str) -> Comparison:
    posts = tuple(
        ChangedPost(
            source="test",
            id=f"{number}",
            created_at=datetime(2026, 6, 20, 9, 30, tzinfo=UTC),
            text=text,
            distance=0.5,
            a=LABELS,
            b=LABELS,
        )
        for number, text in enumerate(texts)
    )
    return msgspec.structs.replace(COMPARISON, changed=posts)


def quotes(page: str) -> list[str]:
    return re.findall(r'<blockquote dir="auto">(.*?)</blockquote>', page, re.DOTALL)


def positions(page: str) -> list[float]:
    """Return the positions of the dots, in percent of the width."""
    return [float(position) for position in re.findall(r'cx="([\d.]+)%"', page)]


def test_an_empty_comparison_is_a_complete_page() -> None:
    page = as_page(COMPARISON, 20)
    assert page.startswith("<!doctype html>\n")
    assert page.endswith("</html>\n")
    assert "<title>live against again · tagpulse compare</title>" in page
    assert "all posts · 0 posts in both runs" in page
    assert "<p>None.</p>" in page
    for absent in (
        "By day",
        "<h2>Topics</h2>",
        "<h2>Emotions</h2>",
        "Campaign topic",
        "largest daily change",
        'class="warning"',
    ):
        assert absent not in page


def test_names_and_warnings_are_escaped() -> None:
    run = msgspec.structs.replace(COMPARISON.a, name="<b>A&B")
    page = as_page(msgspec.structs.replace(COMPARISON, a=run, warnings=("1 < 2",)), 20)
    assert "A: &lt;b&gt;A&amp;B</span>" in page
    assert '<p class="warning">1 &lt; 2</p>' in page
    assert "<b>A" not in page


@pytest.mark.parametrize(
    ("shares", "end"),
    [
        ([(None, None)], 5),
        ([(0.0, 0.01)], 5),
        ([(0.05, 0.02)], 5),
        ([(0.051, 0.02)], 10),
        ([(0.1, None), (None, 0.333)], 35),
        ([(1.0, 0.5)], 100),
    ],
)
def test_the_axis_ends_at_a_step_that_no_share_exceeds(
    shares: list[tuple[float | None, float | None]], end: int
) -> None:
    assert f"From 0 to {end} %." in as_page(with_shares(*shares), 20)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=5))
def test_every_dot_is_on_the_axis_in_proportion(shares: list[tuple[float, float]]) -> None:
    page = as_page(with_shares(*shares), 20)
    [end] = [int(number) for number in re.findall(r"From 0 to (\d+) %", page)]
    expected = [share * 10_000 / end for pair in shares for share in pair]
    assert positions(page) == pytest.approx(expected, abs=0.006)
    assert max(positions(page)) <= 100


def test_a_day_with_posts_in_one_run_only_has_one_dot_and_no_line() -> None:
    page = as_page(with_shares((None, 0.05)), 20)
    assert positions(page) == [100.0]
    assert '<line class="moved"' not in page
    assert "– of 0 → 5.0 % of 0 · –" in page
    both = as_page(with_shares((0.025, 0.05)), 20)
    assert '<line class="moved" x1="50.00%" x2="100.00%"' in both


def test_the_tile_shows_the_first_day_with_a_difference() -> None:
    days = [
        msgspec.structs.replace(CHANGE, difference=difference, day=date(2026, 6, day))
        for day, difference in ((1, None), (2, -0.25), (3, 0.1))
    ]
    page = as_page(with_days(*days), 20)
    assert "<b>-25.0 pp</b>largest daily change<span>negative, 2026-06-02</span>" in page


def test_long_lists_are_cut() -> None:
    page = as_page(with_shares((0.1, 0.2), (0.1, 0.2), (0.1, 0.2)), 2)
    assert page.count('<div class="day">') == 2
    assert "The first 2 of 3." in page
    assert "The first" not in as_page(with_shares((0.1, 0.2), (0.1, 0.2)), 2)
    assert quotes(as_page(with_texts("one", "two", "three"), 2)) == ["one", "two"]


def test_line_breaks_of_a_post_are_kept_and_control_characters_escaped() -> None:
    [quote] = quotes(as_page(with_texts("a\nb\u2028c\u202ed\x1b[1me\rf"), 20))
    assert quote == "a\nb\nc\\u202ed\\x1b[1me\\rf"


@given(st.text())
def test_no_text_adds_an_element(text: str) -> None:
    page = as_page(with_texts(text), 20)
    assert page.count("<") == as_page(with_texts("plain"), 20).count("<")
    assert len(quotes(page)) == 1
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)
    page.encode()
