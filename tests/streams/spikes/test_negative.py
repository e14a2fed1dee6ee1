from __future__ import annotations

from collections.abc import Sequence

import pytest

from streams.minutes.post import time_of
from streams.spikes.counts import MinuteCounts
from streams.spikes.events import SpikeEvent
from streams.spikes.negative import NegativeWatch
from streams.spikes.running_sums import RunningSums
from streams.spikes.sensitivity import SENSITIVITIES, Sensitivity

MIDDLE = SENSITIVITIES["middle"]
USUAL, BAD = (20, 4), (20, 14)


def events_of(minutes: Sequence[tuple[int, int]], sensitivity: Sensitivity = MIDDLE) -> list[SpikeEvent]:
    """Return the events of minutes given as posts and negative posts."""
    watch, recent, found = NegativeWatch("poltwt", 0, sensitivity), RunningSums(), list[SpikeEvent]()
    for number, (posts, negative) in enumerate(minutes):
        counts = MinuteCounts(time_of(number), "poltwt", posts, negative)
        recent.add(counts, *counts.independent)
        found += watch.step(number, counts, recent)
        if found:
            assert watch.is_open is (found[-1].state != "closed")
    return found


def test_a_spike_opens_at_its_first_minute_and_closes_after_its_last() -> None:
    first, *growing, last = events_of([USUAL] * 300 + [BAD] * 30 + [USUAL] * 60)
    assert (first.state, first.opened_at) == ("open", time_of(300))
    assert first.baseline == pytest.approx(0.2, abs=0.01)
    assert time_of(301) <= first.known_at <= time_of(303)
    assert first.usual_rate == 20
    assert growing
    assert [event.state for event in growing] == ["growing"] * len(growing)
    assert (last.state, last.closed_at) == ("closed", time_of(330))
    assert (last.posts, last.negative, last.share) == (600, 420, 0.7)
    assert last.at > time_of(330), "the return to usual takes some evidence"


def test_a_rise_below_the_minimum_is_not_a_spike_however_certain() -> None:
    assert events_of([(1_000, 200)] * 300 + [(1_000, 250)] * 60) == []
    assert events_of([(1_000, 200)] * 300 + [(1_000, 300)] * 60) != []


def test_a_few_posts_are_not_a_spike() -> None:
    minutes = [USUAL] * 300 + [(0, 0)] * 60
    assert events_of([*minutes, (7, 7)]) == []
    assert events_of([*minutes, (8, 8)]) != []


def test_nothing_is_measured_before_there_is_a_baseline() -> None:
    assert events_of([USUAL] * 4 + [(20, 20)]) == []


def test_a_fall_is_not_a_spike() -> None:
    assert events_of([BAD] * 300 + [(20, 0)] * 100) == []


def test_after_a_spike_the_next_one_waits() -> None:
    calm = MIDDLE.cool_down_minutes // 2
    events = events_of([USUAL] * 300 + [BAD] * 10 + [USUAL] * calm + [BAD] * 60)
    first, second = (event for event in events if event.state == "open")
    (closed,) = (event for event in events if event.state == "closed")
    assert first.opened_at == time_of(300)
    assert second.known_at == time_of(
        int((closed.at - time_of(0)).total_seconds() // 60) + MIDDLE.cool_down_minutes + 1
    )
    assert second.opened_at >= time_of(310), "it does not reach back into the first one"


def test_a_spike_ends_45_minutes_after_its_last_post() -> None:
    events = events_of([USUAL] * 300 + [BAD] * 20 + [(0, 0)] * 60)
    assert (events[-1].state, events[-1].at, events[-1].closed_at) == ("closed", time_of(365), time_of(320))


def test_a_lower_sensitivity_requires_more() -> None:
    minutes = [USUAL] * 300 + [(20, 7)] * 40
    known = []
    for name in ("high", "middle", "low"):
        first, *_ = events_of(minutes, SENSITIVITIES[name])
        known.append(first.known_at)
    assert known == sorted(known)
    assert known[0] < known[-1]
