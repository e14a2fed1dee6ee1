from __future__ import annotations

from collections.abc import Sequence

import pytest

from streams.minutes.post import time_of
from streams.spikes.counts import MinuteCounts
from streams.spikes.events import SpikeEvent
from streams.spikes.running_sums import RunningSums
from streams.spikes.sensitivity import SENSITIVITIES
from streams.spikes.surge import Limits
from streams.spikes.volume import VolumeWatch, limits_of


def events_of(posts: Sequence[int], first: int = 0) -> list[SpikeEvent]:
    watch, recent, found = VolumeWatch("poltwt", first, SENSITIVITIES["middle"]), RunningSums(), list[SpikeEvent]()
    for number, each in enumerate(posts, first):
        counts = MinuteCounts(time_of(number), "poltwt", each, each // 2)
        recent.add(counts, *counts.independent)
        found += watch.step(number, counts, recent)
        if found:
            assert watch.is_open is (found[-1].state != "closed")
    return found


def test_a_surge_opens_with_its_bin_grows_and_closes() -> None:
    first, *growing, last = events_of([10] * 300 + [100] * 60 + [10] * 60)
    assert (first.state, first.opened_at, first.known_at) == ("open", time_of(300), time_of(305))
    assert (first.posts, first.share, first.rate) == (500, 0.5, 100)
    assert first.usual_rate == pytest.approx(10)
    assert first.baseline is None
    assert [(event.at, event.posts) for event in growing] == [
        (time_of(310), 1_000),
        (time_of(320), 2_000),
        (time_of(340), 4_000),
    ]
    assert last.state == "closed"
    assert last.closed_at == last.at
    assert time_of(360) <= last.at <= time_of(375), "smoothed over a quarter of an hour"
    assert last.posts == 6_000 + 10 * int((last.at - time_of(360)).total_seconds() // 60)


def test_it_only_answers_at_the_end_of_a_bin() -> None:
    (event,) = events_of([10] * 302 + [300] * 4)
    assert (event.opened_at, event.known_at) == (time_of(300), time_of(305))


def test_the_incomplete_bin_in_which_a_hashtag_appears_does_not_count() -> None:
    """Three posts a minute from minute 4 on: with the first bin, of one minute, the usual rate would be lower."""
    complete, late = (events_of([3] * (40 - first) + [60] * 5, first) for first in (5, 4))
    assert [event.opened_at for event in complete] == [time_of(40)]
    assert late == complete


def test_steady_posts_are_not_a_surge() -> None:
    assert events_of([10] * 2_000) == []


def test_the_limits_of_a_sensitivity() -> None:
    assert limits_of(SENSITIVITIES["low"]) == Limits(deviations=4.5, min_posts=30, rest_bins=288)
    assert limits_of(SENSITIVITIES["high"]) == Limits(deviations=2.75, min_posts=8, rest_bins=144)
