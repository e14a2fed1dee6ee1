from __future__ import annotations

from collections.abc import Mapping

from streams.spikes.counts import MinuteCounts
from streams.spikes.distinct_posts import DistinctPosts
from tests.streams.spikes.feed import at


def counts(fingerprints: Mapping[str, bool], independent: int = 5, negative: int = 2) -> MinuteCounts:
    return MinuteCounts(
        at(0), "a", 24, 21, independent_posts=independent, independent_negative=negative, fingerprints=fingerprints
    )


def test_a_copied_text_counts_once() -> None:
    distinct = DistinctPosts()
    assert distinct.of(0, counts({"one": True})) == (5, 2)
    assert distinct.of(1, counts({"one": True})) == (4, 1)
    assert distinct.of(31, counts({"one": True})) == (4, 1)
    assert distinct.of(62, counts({"one": True})) == (5, 2), "not seen for half an hour"


def test_texts_are_distinguished_whatever_their_mood() -> None:
    distinct = DistinctPosts()
    assert distinct.of(0, counts({"one": True, "two": False})) == (5, 2)
    assert distinct.of(1, counts({"three": True, "two": False})) == (4, 2)
    assert distinct.of(2, counts({"one": True, "two": False, "three": True})) == (2, 0)


def test_without_copies_every_post_counts() -> None:
    distinct = DistinctPosts()
    for number in range(3):
        assert distinct.of(number, counts({f"text {number}": True})) == (5, 2)
        assert distinct.of(number, MinuteCounts(at(0), "a", 10, 3)) == (10, 3)
        assert distinct.of(number, MinuteCounts(at(0), "a")) == (0, 0)
