from __future__ import annotations

import random
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import END_OF_INPUT, PulseMinute, SentimentCounts
from streams.minutes.merge import CompleteMinute, Merger

START = datetime.fromisoformat("2026-11-01T09:00:00Z")


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def part(
    minute: int, partition: int = 0, *, until: float | None = None, posts: int = 1, hashtag: str = "a"
) -> PulseMinute:
    """Return a part whose partition is complete up to the minute `until`; None means that its input has ended."""
    return PulseMinute(
        minute=at(minute),
        hashtag=hashtag,
        partition=partition,
        watermark=END_OF_INPUT if until is None else at(until),
        sentiments=SentimentCounts(neutral=posts),
    )


def described(found: list[CompleteMinute]) -> list[tuple[datetime, dict[str, list[int]]]]:
    return [
        (each.minute, {tag: [part.partition for part in parts] for tag, parts in each.parts.items()}) for each in found
    ]


def test_a_minute_waits_for_all_partitions() -> None:
    merger = Merger(range(2))
    assert merger.add(part(0, 1, until=1)) == []
    assert merger.until is None
    assert merger.add(part(0, 0, until=0.5)) == [], "the minute is not over in the other partition"
    assert described(merger.add(part(0, 0, until=1.2, hashtag="b"))) == [(at(0), {"a": [0, 1], "b": [0]})]
    assert merger.until == at(1)


def test_minutes_come_in_order() -> None:
    merger = Merger([0])
    assert merger.add(part(0, 0, until=0, hashtag="b")) == []
    assert merger.add(part(0, until=0)) == []
    assert merger.add(part(1, until=0)) == []
    found = merger.add(part(2, until=3))
    assert list(found[0].parts) == ["a", "b"]
    assert [each.minute for each in found] == [at(0), at(1), at(2)]


def test_only_the_first_part_of_a_minute_counts() -> None:
    merger = Merger([0, 1])
    first = part(0, 0, until=1)
    merger.add(first)
    merger.add(part(0, 0, until=1, posts=9))
    (found,) = merger.add(part(1, 1, until=2, posts=0))
    assert found.parts == {"a": [first]}


def test_a_part_of_a_minute_that_has_passed_is_a_correction() -> None:
    merger = Merger([0])
    assert len(merger.add(part(0, until=3))) == 1
    assert merger.add(part(1, until=4)) == [], "it closed without posts before"
    assert len(merger.add(part(4, until=5))) == 1


def test_a_part_without_posts_only_moves_the_watermark() -> None:
    merger = Merger([0, 1])
    merger.add(part(0, 0, until=1))
    assert described(merger.add(part(5, 1, until=6, posts=0))) == [(at(0), {"a": [0]})]
    assert merger.until == at(1)


def test_the_end_of_the_input_releases_all_minutes() -> None:
    merger = Merger([0, 1])
    merger.add(part(0, 0, until=1))
    merger.add(part(7, 0))
    found = merger.add(part(3, 1))
    assert [each.minute for each in found] == [at(0), at(3), at(7)]
    assert merger.until == at(8), "the end of the last minute with posts"


def test_an_input_without_posts_ends_with_nothing() -> None:
    merger = Merger([0])
    assert merger.add(part(0, posts=0)) == []
    assert merger.until is None


@given(
    st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6), min_size=1, max_size=3),
    st.randoms(use_true_random=False),
)
def test_every_part_is_released_once_however_partitions_are_interleaved(
    partitions: list[list[int]], dice: random.Random
) -> None:
    """Each partition publishes one part per minute; those without posts only have a watermark."""
    topics = [
        [part(minute, number, until=minute + 1, posts=posts) for minute, posts in enumerate(posts_of_minutes)]
        + [part(len(posts_of_minutes), number, posts=0)]
        for number, posts_of_minutes in enumerate(partitions)
    ]
    sent = [each for topic in topics for each in topic if each.sentiments.posts]
    merger, found = Merger(range(len(topics))), list[CompleteMinute]()
    while any(topics):
        found += merger.add(dice.choice([topic for topic in topics if topic]).pop(0))
    released = [part for each in found for part in each.parts["a"]]
    assert released == sorted(sent, key=lambda part: (part.minute, part.partition))
