"""Matrices and the causes of a difference add up for any counts."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.compare.measures import Cell, agreement_of, by_size, explain, matrix_of, most_frequent
from streams.contracts import SENTIMENTS

DAY = date(2026, 6, 20)
PAIRS = {("en", "en"): 90, ("en", "de"): 4, ("de", "de"): 30, ("fr", "nl"): 2, ("nl", "nl"): 1}

sentiments = st.sampled_from(SENTIMENTS)
both = st.tuples(st.sampled_from(("same", "edited")), sentiments, sentiments)
only_a = st.tuples(st.sampled_from(("moved", "only")), sentiments, st.none())
only_b = st.tuples(st.sampled_from(("moved", "only")), st.none(), sentiments)
groups = st.dictionaries(both | only_a | only_b, st.integers(1, 1000), min_size=1)


@given(groups)
def test_the_causes_add_up_to_the_difference(cells: dict[Cell, int]) -> None:
    change = explain(DAY, "k9", cells)
    if change.difference is None:
        assert change.causes == ()
        assert 0 in (change.posts_a, change.posts_b)
    else:
        assert sum(cause.effect for cause in change.causes) == pytest.approx(change.difference, abs=1e-12)


@given(groups)
def test_a_run_does_not_differ_from_itself(cells: dict[Cell, int]) -> None:
    same: dict[Cell, int] = {("same", a, a): count for (_, a, _), count in cells.items() if a is not None}
    change = explain(DAY, "k9", same)
    assert change.causes == ()
    assert change.difference == (0.0 if same else None)


def test_causes_by_hand() -> None:
    change = explain(
        DAY,
        "k9",
        {
            ("same", "neutral", "negative"): 3,
            ("same", "negative", "positive"): 1,
            ("same", "neutral", "positive"): 2,
            ("same", "negative", "negative"): 2,
            ("edited", "negative", "neutral"): 2,
            ("only", "negative", None): 5,
            ("moved", None, "negative"): 10,
        },
    )
    assert (change.posts_a, change.posts_b, change.negative_a, change.negative_b) == (15, 20, 10, 15)
    assert change.difference == pytest.approx(15 / 20 - 10 / 15)
    assert {cause.kind: cause.posts for cause in change.causes} == {
        "neutral_to_negative": 3,
        "negative_to_positive": 1,
        "edited": 2,
        "only_a": 5,
        "moved_in": 10,
    }
    effects = {
        "neutral_to_negative": 0.3,
        "negative_to_positive": -0.1,
        "edited": -0.2,
        "only_a": -5 * (1 - 0.5) / 15,  # of the common posts half are negative in A
        "moved_in": 10 * (1 - 0.5) / 20,  # and half in B
    }
    assert {cause.kind: cause.effect for cause in change.causes} == pytest.approx(effects)
    assert [abs(cause.effect) for cause in change.causes] == sorted(
        (abs(cause.effect) for cause in change.causes), reverse=True
    )


def test_groups_with_few_posts_follow_the_others_and_incomparable_ones_are_last() -> None:
    changes = [
        explain(DAY, "few", {("same", "neutral", "negative"): 1}),
        explain(DAY, "gone", {("only", "neutral", None): 500}),
        explain(DAY, "small", {("same", "neutral", "negative"): 1, ("same", "neutral", "neutral"): 99}),
        explain(DAY, "great", {("same", "negative", "neutral"): 50, ("same", "neutral", "neutral"): 50}),
    ]
    assert [change.group for change in by_size(changes)] == ["great", "small", "gone", "few"]


def test_a_matrix_combines_further_labels_as_other() -> None:
    named = most_frequent(PAIRS, 2)
    assert named == ["en", "de"]
    matrix = matrix_of(PAIRS, named)
    assert matrix.labels == ("en", "de", "other")
    assert matrix.counts == ((90, 4, 0), (0, 30, 0), (0, 0, 3))
    assert matrix_of(PAIRS, most_frequent(PAIRS, 4)).labels == ("en", "de", "nl", "fr")


@given(st.dictionaries(st.tuples(st.text(max_size=2), st.text(max_size=2)), st.integers(1, 9)), st.integers(0, 5))
def test_a_matrix_counts_every_post(pairs: dict[tuple[str, str], int], limit: int) -> None:
    matrix = matrix_of(pairs, most_frequent(pairs, limit))
    assert sum(map(sum, matrix.counts)) == sum(pairs.values())


def test_small_groups_are_marked() -> None:
    assert [agreement_of({("en", "en"): count}).few for count in (49, 50)] == [True, False]
