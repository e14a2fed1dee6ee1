from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import CampaignScore, Engagement, EnrichedPost, LabelScore, SentimentCounts
from streams.minutes import part as limits
from streams.minutes.part import UNTOLD, make_part
from streams.minutes.post import CountedPost, count_post, minute_of
from tests.helpers.minutes import START, enriched

MINUTE = minute_of(START.timestamp())


def counted(number: int | str, seconds: float = 0.0, label: Any = "neutral", **changes: Any) -> CountedPost:
    return count_post(enriched(number, seconds, label, **changes), 0, 0)


def counted_with(post: EnrichedPost) -> CountedPost:
    return count_post(post, 0, 0)


def test_a_part_without_posts_is_empty() -> None:
    part = make_part(3, MINUTE, "poltwt", [])
    assert (part.minute, part.hashtag, part.partition, part.watermark) == (START, "poltwt", 3, UNTOLD)
    assert (part.sentiments, part.independent, part.probabilities) == (SentimentCounts(), SentimentCounts(), (0, 0, 0))
    assert (part.languages, part.evidence.terms, part.evidence.negative, part.final) == ({}, {}, (), False)


def test_posts_are_counted_by_language_source_and_labels() -> None:
    posts = [
        counted_with(
            _with(
                enriched(1, 1, "negative"),
                topics=(LabelScore(name="pets", score=0.9), LabelScore(name="sports", score=0.8)),
                emotions=(LabelScore(name="anger", score=0.9), LabelScore(name="fear", score=0.5)),
                acts=(LabelScore(name="complaint", score=0.9),),
                campaign=CampaignScore(name="force", score=0.9),
            )
        ),
        counted(2, 2, "positive"),
    ]
    part = make_part(0, MINUTE, "poltwt", posts)
    both = SentimentCounts(negative=1, positive=1)
    assert part.sentiments == both
    assert (part.languages, part.sources) == ({"en": both}, {"test": both})
    assert part.topics == {"sports": both, "pets": SentimentCounts(negative=1)}
    assert part.emotions == dict.fromkeys(("anger", "fear"), SentimentCounts(negative=1))
    assert part.acts == {"complaint": SentimentCounts(negative=1)}
    assert part.campaign_topics == {"force": SentimentCounts(negative=1)}
    assert part.probabilities == pytest.approx((0.85, 0.3, 0.85))


def _with(post: EnrichedPost, **changes: Any) -> EnrichedPost:
    return msgspec.structs.replace(post, **changes)


def test_independent_posts_repeat_neither_a_text_nor_an_author() -> None:
    posts = [
        counted(1, 1, "negative", text="one"),
        counted(2, 2, "negative", text="One "),
        counted(3, 3, "positive", text="two", author="author 1"),
        counted(4, 4, "positive", text="three", author=""),
        counted(5, 5, "positive", text="four", author=""),
        counted(6, 6, "positive", text="five", repost_of="1"),
        counted(7, 7, "positive", text="RT @x: six"),
    ]
    part = make_part(0, MINUTE, "poltwt", posts)
    assert part.independent == SentimentCounts(negative=1, positive=2), "posts without an author are independent"
    assert list(part.fingerprints.values()).count(True) == 1
    assert part.reposts == 2


def test_a_post_is_shared_with_its_reposts() -> None:
    posts = [
        counted("1", 5, text="the original", engagement=Engagement(reposts=2)),
        counted("2", 6, text="seen", repost_of="1"),
        counted("3", 7, text="seen", repost_of="1"),
        counted("4", 8, text="seen", repost_of="1"),
        counted("5", 9, text="of an unknown original", repost_of="0"),
        counted("6", 10, text="counted by the network", engagement=Engagement(reposts=40)),
        counted("7", 11, text="not shared"),
    ]
    shared = make_part(0, MINUTE, "poltwt", posts).evidence.shared
    assert [(each.id, each.text, each.shared) for each in shared] == [
        ("6", "counted by the network", 40),
        ("1", "the original", 3),
        ("0", "of an unknown original", 1),
    ]


def test_the_most_negative_posts_are_shown_once_per_text() -> None:
    posts = [counted(number, number, "negative", text=f"bad {number // 2}") for number in range(20)]
    posts.append(counted(99, 1, "neutral", text="calm"))
    shown = make_part(0, MINUTE, "poltwt", posts).evidence.negative
    assert [each.text for each in shown] == [f"bad {number}" for number in range(limits.EXCERPTS)]


def test_a_long_address_is_left_out() -> None:
    for length, kept in ((500, True), (501, False)):
        post = counted(1, 1, "negative", url="https://a.example/".ljust(length, "x"))
        (shown,) = make_part(0, MINUTE, "poltwt", [post]).evidence.negative
        assert (shown.url is not None) is kept


def test_a_part_is_bounded_whatever_the_feed() -> None:
    posts = [
        counted_with(
            _with(
                enriched(
                    number, 0, text=f"text{number} word{number}a", hashtags=(f"tag{number}",), source=f"s{number}"
                ),
                topics=(LabelScore(name=f"topic {number}", score=0.9),),
                emotions=(LabelScore(name=f"emotion {number}", score=0.9),),
                acts=(LabelScore(name=f"act {number}", score=0.9),),
            )
        )
        for number in range(200)
    ]
    part = make_part(0, MINUTE, "poltwt", [*posts, counted("last", 59, source="s199", text="text199 word199a")])
    assert part.sentiments.posts == 201
    assert len(part.sources) == len(part.topics) == len(part.emotions) == len(part.acts) == limits.NAMES
    assert list(part.sources)[:2] == ["s199", "s0"], "most frequent first, then by name"
    assert len(part.fingerprints) == limits.MARKS
    assert len(part.evidence.terms) == limits.TERMS
    assert len(part.evidence.authors) == limits.AUTHORS
    assert len(part.evidence.texts) == limits.TEXTS
    assert next(iter(part.evidence.texts)) == "text199 word199a"


_posts = st.lists(
    st.builds(
        counted,
        st.integers(0, 5),
        st.integers(0, 59),
        st.sampled_from(["negative", "neutral", "positive"]),
        text=st.sampled_from(["one", "two", "RT @x: one", "three?"]),
        author=st.sampled_from(["", "k9", "pc"]),
        repost_of=st.sampled_from([None, "1", "9"]),
        hashtags=st.sampled_from([("poltwt",), ("poltwt", "k9", "k9")]),
    ),
    max_size=8,
    unique_by=lambda post: post.key,
)


@given(_posts, st.randoms(use_true_random=False))
def test_the_order_of_the_posts_makes_no_difference(posts: list[CountedPost], dice: random.Random) -> None:
    part = make_part(0, MINUTE, "poltwt", posts)
    shuffled = list(posts)
    dice.shuffle(shuffled)
    assert make_part(0, MINUTE, "poltwt", shuffled) == part
    assert part.sentiments.posts == len(posts)
    assert part.independent.posts <= len(posts) - part.reposts
    assert sum(part.probabilities) == pytest.approx(len(posts))
    assert len(part.fingerprints) == part.independent.posts
