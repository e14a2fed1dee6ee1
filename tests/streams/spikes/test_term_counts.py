from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from streams.contracts import Evidence, Excerpt, PulseMinute, SentimentCounts
from streams.spikes.term_counts import TermCounts, all_posts, count_terms, excerpts, negative_posts, newest

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
        terms={"rex": 18, "calm": 12},  # type: ignore[arg-type]
        authors={"k9": 18},  # type: ignore[arg-type]
        texts={"a text": 18},  # type: ignore[arg-type]
        topics={"sports": 12},  # type: ignore[arg-type]
        campaign_topics={"force": 18},  # type: ignore[arg-type]
        languages={"de": 18},  # type: ignore[arg-type]
        sources={"x": 18},  # type: ignore[arg-type]
    )


def test_only_negative_posts_add_up() -> None:
    totals = count_terms(MINUTES, negative_posts)
    assert (totals.minutes, totals.posts) == (2, 6)
    assert totals.terms == {"rex": 6}, "a term without negative posts is left out"
    assert (totals.topics, totals.languages) == ({}, {"de": 6})


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
