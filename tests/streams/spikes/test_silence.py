from __future__ import annotations

from collections.abc import Sequence

import pytest

from streams.minutes.post import time_of
from streams.spikes.counts import MinuteCounts
from streams.spikes.events import SpikeEvent
from streams.spikes.running_sums import RunningSums
from streams.spikes.sensitivity import SENSITIVITIES, Sensitivity
from streams.spikes.silence import SilenceWatch

DAY = 1_440


def events_of(posts: Sequence[int], sensitivity: Sensitivity = SENSITIVITIES["middle"]) -> list[SpikeEvent]:
    watch, recent, found = SilenceWatch("poltwt", 0, sensitivity), RunningSums(), list[SpikeEvent]()
    for number, each in enumerate(posts):
        counts = MinuteCounts(time_of(number), "poltwt", each)
        recent.add(counts, *counts.independent)
        found += watch.step(number, counts, recent)
        if found:
            assert watch.is_open is (found[-1].state == "open")
    return found


def test_a_silence_opens_once_enough_posts_are_missing_and_ends_with_the_next_post() -> None:
    opened, closed = events_of([4] * 300 + [0] * 50 + [1])
    assert (opened.state, opened.opened_at, opened.known_at) == ("open", time_of(300), time_of(308))
    assert (opened.posts, opened.share) == (0, None)
    assert opened.usual_rate == pytest.approx(4)
    assert (closed.state, closed.closed_at, closed.posts, closed.rate) == ("closed", time_of(350), 0, 0)
    assert closed.id == opened.id


def test_a_silence_of_fewer_posts_opens_later() -> None:
    """At one post a minute, twenty are missing after twenty minutes."""
    (opened,) = events_of([1] * 300 + [0] * 60)
    assert opened.known_at == time_of(320)
    (opened,) = events_of([1] * 300 + [0] * 60, SENSITIVITIES["high"])
    assert opened.known_at == time_of(312)


@pytest.mark.parametrize(
    "posts",
    [
        pytest.param([10] * 60 + [0] * 60, id="younger than an hour"),
        pytest.param([1, 0, 0, 0] * 100 + [0] * 200, id="too few posts to miss any within an hour"),
        pytest.param(([8] * 40 + [0] * 7) * 9, id="pauses shorter than eight minutes"),
        pytest.param([0] * 500, id="never a post"),
    ],
)
def test_no_silence(posts: list[int]) -> None:
    assert events_of(posts) == []


def test_a_silence_lasts_twice_as_long_as_the_longest_usual_pause() -> None:
    usual = ([8] * 40 + [0] * 7) * 9 + [8] * 40
    assert events_of(usual + [0] * 13) == []
    (opened,) = events_of(usual + [0] * 14)
    assert (opened.opened_at, opened.known_at) == (time_of(len(usual)), time_of(len(usual) + 14))


def test_the_same_hour_of_earlier_days_is_expected() -> None:
    """Every night is quiet from the same minute on, so that nothing is missing in the second and the third one."""
    day = [8] * 900 + [0] * (DAY - 900)
    opened = [event.opened_at for event in events_of(day * 3) if event.state == "open"]
    assert opened == [time_of(900)]


def test_a_silence_ends_after_a_day() -> None:
    opened, closed = events_of([8] * 300 + [0] * 2_000)
    assert (opened.opened_at, closed.closed_at) == (time_of(300), time_of(299 + DAY + 1))


def test_after_a_silence_the_next_one_waits() -> None:
    events = events_of([8] * 300 + [0] * 10 + [8] * 5 + [0] * 30)
    opened, closed, again = events
    assert (opened.opened_at, closed.closed_at) == (time_of(300), time_of(310))
    assert (again.opened_at, again.known_at) == (time_of(315), time_of(341)), "half an hour after the first one"
