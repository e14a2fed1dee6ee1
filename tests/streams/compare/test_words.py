"""The numbers and names of a comparison, as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.compare import words
from streams.compare.comparison import Cause, Change, ComparedPosts, Model, Overlap, PostLabels
from tests.streams.compare.empty import AGREEMENT, CHANGE, COMPARISON


def change(*effects: float, group: str = "", few: bool = False) -> Change:
    """Return a change with a cause of each effect, by descending number of posts."""
    causes = tuple(
        Cause(kind="only_a", posts=len(effects) - number, effect=each) for number, each in enumerate(effects)
    )
    return msgspec.structs.replace(CHANGE, group=group, few=few, causes=causes)


def test_numbers_have_a_fixed_form() -> None:
    assert (words.percent(0.1234), words.percent(0), words.percent(1)) == ("12.3 %", "0.0 %", "100.0 %")
    assert (words.points(0.0123), words.points(-0.5), words.points(0.0)) == ("+1.2 pp", "-50.0 pp", "+0.0 pp")
    assert (words.number(0.5), words.number(-1.0)) == ("0.500", "-1.000")
    assert words.percents((0.25, 0.75)) == "25.0 % to 75.0 %"
    assert words.numbers((-0.1, 0.9876)) == "-0.100 to 0.988"
    assert words.moment(datetime(2026, 6, 20, 9, 5, 59, tzinfo=UTC)) == "2026-06-20 09:05"


def test_undefined_values_are_shown_as_a_dash() -> None:
    undefined = (words.percent, words.points, words.number, words.percents, words.numbers)
    assert {show(None) for show in undefined} == {words.NONE}


@given(st.floats(0, 1))
def test_a_share_is_shown_to_a_tenth_of_a_percent(share: float) -> None:
    value, sign = words.percent(share).split()
    assert sign == "%"
    assert abs(float(value) / 100 - share) <= 0.0005 + 1e-12
    assert abs(float(words.points(-share).removesuffix(" pp")) / 100 + share) <= 0.0005 + 1e-12


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("neutral_to_negative", "neutral → negative"),
        ("edited", "edited posts"),
        ("moved_out", "moved to another group"),
        ("moved_in", "came from another group"),
        ("only_a", "only in A"),
        ("only_b", "only in B"),
    ],
)
def test_a_cause_names_its_kind_and_its_posts(kind: str, shown: str) -> None:
    assert words.cause(Cause(kind=kind, posts=1_234, effect=0.012)) == f"+1.2 pp {shown} (1,234)"


def test_the_largest_causes_are_listed_and_the_rest_summed_up() -> None:
    assert words.causes(change()) == words.NONE
    assert words.causes(change(0.1, 0.0, -0.02)) == "+10.0 pp only in A (3); -2.0 pp only in A (1)"
    many = words.causes(change(0.1, 0.09, 0.08, 0.07, 0.02, 0.01)).split("; ")
    assert len(many) == words.MAX_CAUSES + 1
    assert many[-1] == "+3.0 pp others"
    assert "others" not in words.causes(change(0.1, 0.09, 0.08, 0.07, 0.02, -0.02)), "they cancel each other out"
    assert words.causes(change(0, 0, 0, 0, 0.01)) == "+1.0 pp others"


def test_few_posts_are_marked() -> None:
    enough = msgspec.structs.replace(AGREEMENT, posts=12_345, few=False)
    assert (words.size(enough), words.size(AGREEMENT)) == ("n = 12,345", "n = 0, few")
    assert words.group(change(group="k9", few=True), "hashtags") == "#k9 (few)"


def test_groups_without_a_name_have_one() -> None:
    assert words.group(change(group="k9"), "hashtags") == "#k9"
    assert words.group(change(), "hashtags") == "no hashtag"
    assert words.group(change(group="de"), "languages") == "de"
    assert words.group(change(), "all") == "all posts"
    assert (words.label("police dogs"), words.label("")) == ("police dogs", "none")


def test_a_model_is_shown_with_the_known_facts_about_its_runtime() -> None:
    model = Model(name="multi", version="2", runtime="openvino", precision="int8", posts=1_500)
    assert words.model(model) == "multi 2 (openvino int8): 1,500 posts"
    assert words.model(msgspec.structs.replace(model, precision=None)) == "multi 2 (openvino): 1,500 posts"
    assert words.model(msgspec.structs.replace(model, runtime=None, precision=None)) == "multi 2: 1,500 posts"


def test_the_labels_of_a_post_have_their_probabilities() -> None:
    labels = PostLabels(language="en", sentiment="negative", negative=0.9, neutral=0.074, positive=0.026)
    assert words.reading(labels) == "negative (0.90 / 0.07 / 0.03) en"


def test_the_selection_names_only_what_was_selected() -> None:
    since, until = datetime(2026, 6, 20, tzinfo=UTC), datetime(2026, 6, 20, 12, 30, 5, tzinfo=UTC)

    def shown(**chosen: object) -> str:
        return words.selection(msgspec.structs.replace(COMPARISON, selection=ComparedPosts(**chosen)))  # type: ignore[arg-type]

    assert shown() == "all posts"
    assert shown(since=since) == "since 2026-06-20 00:00:00 UTC"
    assert shown(since=since, until=until, hashtag="k9") == (
        "since 2026-06-20 00:00:00 UTC, until 2026-06-20 12:30:05 UTC, with #k9"
    )


def test_the_overlap_counts_every_post_once() -> None:
    overlap = Overlap(both=1_200, same_text=1_000, edited=200, only_a=3, only_b=4_000)
    assert words.overlap(msgspec.structs.replace(COMPARISON, overlap=overlap)) == (
        "1,200 posts in both runs (1,000 with the same text, 200 edited), 3 only in A, 4,000 only in B"
    )
