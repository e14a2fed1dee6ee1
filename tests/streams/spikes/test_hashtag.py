from __future__ import annotations

import pytest

from streams.minutes.post import time_of
from streams.spikes.counts import MinuteCounts
from streams.spikes.events import SpikeEvent
from streams.spikes.hashtag import HashtagWatch
from streams.spikes.sensitivity import SENSITIVITIES

FIRST = 1_000_000
DAY = 1_440


def counts(number: int, posts: int = 0, negative: int = 0) -> MinuteCounts:
    return MinuteCounts(time_of(number), "poltwt", posts, negative)


def watch() -> HashtagWatch:
    return HashtagWatch("poltwt", FIRST, SENSITIVITIES["middle"])


def test_it_sleeps_until_a_spike_is_possible() -> None:
    hashtag = watch()
    for minute in range(7):
        assert hashtag.step(FIRST + minute, counts(FIRST + minute, 1)) == []
        assert not hashtag.is_awake
    hashtag.step(FIRST + 7, counts(FIRST + 7, 1))
    assert hashtag.is_awake


@pytest.mark.parametrize("gap", [2, 3, 11])
def test_minutes_without_posts_may_be_left_out_while_it_sleeps(gap: int) -> None:
    """Feed a few early posts far apart, then a steady stream that turns negative."""
    minutes = {FIRST + gap * number: (1, 0) for number in range(7)}
    begin = max(minutes) + gap
    minutes |= {number: (20, 4 if number < begin + 200 else 14) for number in range(begin, begin + 260)}
    every, sparse, found, found_sparse = watch(), watch(), list[SpikeEvent](), list[SpikeEvent]()
    for number in range(FIRST, begin + 260):
        each = counts(number, *minutes.get(number, ()))
        found += every.step(number, each)
        if each.posts or sparse.is_awake:
            found_sparse += sparse.step(number, each)
    assert found == found_sparse
    assert next(event.state for event in found if event.kind == "negative") == "open"


def test_it_sleeps_again_after_four_hours_without_posts() -> None:
    hashtag = watch()
    hashtag.step(FIRST, counts(FIRST, 8))
    for number in range(FIRST + 1, FIRST + 240):
        hashtag.step(number, counts(number))
        assert hashtag.is_awake
    hashtag.step(FIRST + 240, counts(FIRST + 240))
    assert not hashtag.is_awake


def test_it_stays_awake_while_a_silence_is_open() -> None:
    hashtag = watch()
    for number in range(FIRST, FIRST + 120):
        hashtag.step(number, counts(number, 10, 2))
    events, number = list[SpikeEvent](), FIRST + 120
    while hashtag.is_awake:
        events += hashtag.step(number, counts(number))
        number += 1
    assert [(event.kind, event.state) for event in events] == [("silence", "open"), ("silence", "closed")]
    assert number == FIRST + 119 + DAY + 1


def test_after_two_weeks_it_starts_from_scratch() -> None:
    for days, awake in ((14, True), (15, False)):
        hashtag = watch()
        for number in range(FIRST, FIRST + 300):
            hashtag.step(number, counts(number, 1 if number < FIRST + 10 else 0))
        assert not hashtag.is_awake
        later = FIRST + 9 + days * DAY
        hashtag.step(later, counts(later, 1))
        assert hashtag.is_awake is awake
