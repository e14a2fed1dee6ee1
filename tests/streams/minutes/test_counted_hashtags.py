from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from streams.metrics import OTHER
from streams.minutes.counted_hashtags import CountedHashtags

_tags = st.sampled_from("abcdefgh")


def test_a_campaign_counts_its_own_hashtags() -> None:
    counted = CountedHashtags(["k9", "poltwt"], 1, {})
    counted.choose(5, Counter(lunch=9))
    assert counted.among(5, ["lunch", "poltwt", "k9", "poltwt"]) == ["poltwt", "k9"]
    assert counted.among(5, ["lunch"]) == counted.among(5, []) == [OTHER]


def test_the_most_frequent_hashtags_get_the_free_places_from_their_minute_on() -> None:
    counted = CountedHashtags([], 2, {})
    counted.choose(5, Counter(a=1, c=2, b=2))
    assert counted.among(5, ["a", "b", "c"]) == ["b", "c"], "of equally frequent ones, the first by name"
    assert counted.among(4, ["b"]) == [OTHER], "not before it was chosen"
    counted.choose(6, Counter(a=99))
    assert counted.among(7, ["a"]) == [OTHER], "no place is free"


def test_a_hashtag_chosen_before_a_restart_keeps_its_place() -> None:
    counted = CountedHashtags([], 2, {"a": 5, "b": 9})
    assert counted.among(5, ["a", "b"]) == ["a"]
    assert counted.among(9, ["a", "b"]) == ["a", "b"]
    counted.choose(6, Counter(c=1, d=1))
    assert counted.among(6, ["c", "d"]) == ["c"], "the second place was free until minute 9"


def test_an_earlier_minute_brings_a_hashtag_forward() -> None:
    counted = CountedHashtags([], 2, {"a": 9})
    counted.choose(6, Counter(a=1))
    assert counted.among(6, ["a"]) == ["a"]


@given(st.lists(st.lists(_tags, max_size=6), max_size=8), st.integers(0, 4))
def test_hashtags_never_exceed_the_limit(minutes: list[list[str]], limit: int) -> None:
    counted = CountedHashtags([], limit, {})
    before: set[str] = set()
    for number, tags in enumerate(minutes):
        counted.choose(number, Counter(tags))
        chosen = set(counted.among(number, list("abcdefgh"))) - {OTHER}
        assert len(chosen) <= limit
        assert before <= chosen, "a hashtag keeps its place"
        before = chosen
