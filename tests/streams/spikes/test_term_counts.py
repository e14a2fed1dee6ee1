from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from models.enrichment import ACTS, EMOTIONS
from streams.contracts import SENTIMENTS, EnrichedPost, Evidence, Excerpt, LabelScore, PulseMinute, SentimentCounts
from streams.minutes.part import make_part
from streams.minutes.post import count_post
from streams.spikes.term_counts import TermCounts, all_posts, count_terms, excerpts, negative_posts, newest
from tests.helpers.minutes import enriched

START = datetime(2026, 11, 1, 9, tzinfo=UTC)
MOODS = SentimentCounts(negative=2, neutral=3, positive=1)
CALM = SentimentCounts(neutral=4)


def minute(number: int, partition: int = 0, **fields: Any) -> PulseMinute:
    time = START + timedelta(minutes=number)
    return PulseMinute(minute=time, hashtag="poltwt", partition=partition, watermark=time, **fields)


def excerpt(text: str, post_id: str, *, shared: int = 0, second: int = 0) -> Excerpt:
    at = START + timedelta(seconds=second)
    return Excerpt(source="test", id=post_id, text=text, created_at=at, negative=0.9, shared=shared)


MINUTES = [
    minute(
        number,
        partition,
        sentiments=MOODS,
        topics={"sports": CALM},
        emotions={"anger": MOODS, "joy": CALM},
        acts={"question": CALM},
        campaign_topics={"force": MOODS},
        languages={"de": MOODS},
        sources={"x": MOODS},
        evidence=Evidence(terms={"rex": MOODS, "calm": CALM}, authors={"k9": MOODS}, texts={"a text": MOODS}),
    )
    for number, partition in ((0, 0), (0, 1), (1, 0))
]


def test_all_posts_add_up() -> None:
    assert count_terms(MINUTES, all_posts) == TermCounts(
        minutes=2,
        posts=18,
        all_posts=18,
        terms={"rex": 18, "calm": 12},  # type: ignore[arg-type]
        authors={"k9": 18},  # type: ignore[arg-type]
        texts={"a text": 18},  # type: ignore[arg-type]
        named={
            "topics": {"sports": 12},  # type: ignore[dict-item]
            "emotions": {"anger": 18, "joy": 12},  # type: ignore[dict-item]
            "acts": {"question": 12},  # type: ignore[dict-item]
            "campaign_topics": {"force": 18},  # type: ignore[dict-item]
            "languages": {"de": 18},  # type: ignore[dict-item]
            "sources": {"x": 18},  # type: ignore[dict-item]
        },
    )


def test_only_negative_posts_add_up() -> None:
    totals = count_terms(MINUTES, negative_posts)
    assert (totals.minutes, totals.posts) == (2, 6)
    assert totals.terms == {"rex": 6}, "a term without negative posts is left out"
    assert (totals.named["topics"], totals.named["languages"]) == ({}, {"de": 6})


def test_emotions_and_acts_are_counted_in_all_posts() -> None:
    totals = count_terms(MINUTES, negative_posts)
    assert (totals.posts_of("topics"), totals.posts_of("emotions"), totals.posts_of("acts")) == (6, 18, 18)
    assert (totals.named["emotions"], totals.named["acts"]) == ({"anger": 18, "joy": 12}, {"question": 12})


def _labels(names: tuple[str, ...]) -> st.SearchStrategy[tuple[LabelScore, ...]]:
    scored = st.sampled_from([LabelScore(name=name, score=0.9) for name in names])
    return st.lists(scored, unique=True).map(tuple)


_POSTS = st.lists(
    st.builds(
        msgspec.structs.replace,
        st.builds(enriched, st.integers(0, 9), st.integers(0, 59), st.sampled_from(SENTIMENTS)),
        emotions=_labels(EMOTIONS),
        acts=_labels(ACTS),
    ),
    max_size=20,
)


@given(st.lists(_POSTS, min_size=3, max_size=3))
def test_the_parts_of_the_partitions_add_up_to_the_whole(partitions: list[list[EnrichedPost]]) -> None:
    counted = [[count_post(post, 0, 0) for post in posts] for posts in partitions]
    parts = [make_part(number, 0, "poltwt", posts) for number, posts in enumerate(counted)]
    whole = make_part(0, 0, "poltwt", chain.from_iterable(counted))
    for count in (all_posts, negative_posts):
        assert count_terms(parts, count).named == count_terms([whole], count).named
    totals = count_terms(parts, negative_posts).named
    for name in ("emotions", "acts"):
        labels = (label.name for posts in partitions for post in posts for label in getattr(post, name))
        assert totals[name] == Counter(labels)


def test_nothing_is_counted_without_minutes() -> None:
    assert count_terms([], all_posts) == TermCounts()


def test_a_later_message_of_a_minute_replaces_an_earlier_one() -> None:
    corrected = minute(0, sentiments=CALM)
    assert newest([*MINUTES, corrected]) == [corrected, *MINUTES[1:]]


def test_of_copies_the_most_shared_excerpt_is_kept_and_of_these_the_earliest() -> None:
    first = minute(0, evidence=Evidence(shared=(excerpt("Look at Rex", "1", shared=2, second=9), excerpt("b", "2"))))
    second = minute(
        1,
        evidence=Evidence(
            shared=(
                excerpt("RT @k9: look  at rex", "3", shared=5, second=8),
                excerpt("look at rex", "4", shared=5, second=7),
                excerpt("look at rex", "5", shared=5, second=7),
                excerpt("look at rex", "6", shared=1),
            )
        ),
    )
    assert [each.id for each in excerpts([first, second], lambda each: each.evidence.shared)] == ["4", "2"]
    assert excerpts([first], lambda each: each.evidence.negative) == []
