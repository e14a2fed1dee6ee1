from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.contracts import SENSITIVITY_NAMES
from streams.spikes import Detector, MinuteCounts, SpikeEvent
from tests.streams.spikes.feed import at, events_of, minutes

DAY = 1_440


def opened(events: list[SpikeEvent], kind: str) -> list[SpikeEvent]:
    return [event for event in events if event.kind == kind and event.state == "open"]


def test_a_negative_spike_opens_grows_and_closes() -> None:
    share = np.full(DAY, 0.2)
    share[900:945] = 0.5
    events = events_of(minutes(20.0, share, DAY), Detector())
    assert {event.kind for event in events} == {"negative"}
    first, *growing, last = events
    assert (first.state, last.state) == ("open", "closed")
    assert growing
    assert all(event.state == "growing" for event in growing)
    assert len({event.id for event in events}) == 1
    assert at(890) <= first.opened_at <= at(904)
    assert at(901) <= first.known_at <= at(910)
    assert first.known_at == first.at == last.known_at
    assert last.closed_at is not None
    assert abs(last.closed_at - at(945)) <= timedelta(minutes=5)
    assert last.closed_at <= last.at
    assert last.share == pytest.approx(0.5, abs=0.08)
    assert last.low is not None
    assert last.high is not None
    assert last.low < 0.5 < last.high
    assert last.baseline == pytest.approx(0.2, abs=0.04)
    assert last.usual_rate == pytest.approx(20, rel=0.1)
    assert [event.posts for event in events] == sorted(event.posts for event in events)


def test_the_first_half_hour_is_enough() -> None:
    share = np.full(90, 0.2)
    share[35:] = 0.6
    (event, *_) = opened(events_of(minutes(15.0, share, 90), Detector()), "negative")
    assert at(36) <= event.known_at <= at(45)


def test_a_surge_without_a_change_of_mood_is_not_a_negative_spike() -> None:
    posts = np.full(DAY, 10.0)
    posts[900:960] = 120
    events = events_of(minutes(posts, 0.25, DAY), Detector())
    assert not opened(events, "negative")
    (surge,) = opened(events, "volume")
    assert at(900) <= surge.opened_at
    assert surge.known_at <= at(910)
    assert surge.rate is not None
    assert surge.usual_rate == pytest.approx(10, rel=0.2)
    (closed,) = [event for event in events if event.state == "closed"]
    assert closed.closed_at is not None
    assert at(960) <= closed.closed_at <= at(980)


def test_one_text_reposted_by_many_counts_once() -> None:
    dice = np.random.default_rng(3)
    counts = []
    for minute in range(DAY):
        n, storm = int(dice.poisson(10)), 40 if 900 <= minute < 930 else 0
        k = int(dice.binomial(n, 0.2))
        counts.append(
            MinuteCounts(
                at(minute),
                "poltwt",
                n + storm,
                k + storm,
                n - k,
                independent_posts=n + bool(storm),
                independent_negative=k + bool(storm),
                fingerprints={"this one": True} if storm else {},
            )
        )
    assert not opened(events_of(counts, Detector()), "negative")


def test_a_hashtag_that_stops_is_silent_until_it_resumes() -> None:
    posts = np.full(600, 8.0)
    posts[300:400] = 0
    events = events_of(minutes(posts, 0.2, 600), Detector())
    assert [event.state for event in events if event.kind == "silence"] == ["open", "closed"]
    start, end = [event for event in events if event.kind == "silence"]
    assert at(299) <= start.opened_at <= at(300)
    assert at(308) <= start.known_at <= at(312)
    assert end.closed_at == at(400)
    assert (end.posts, end.share) == (0, None)
    assert start.usual_rate == pytest.approx(8, rel=0.4)


def test_silence_is_found_without_later_minutes() -> None:
    detector = Detector()
    counts = minutes(8.0, 0.2, 300)
    assert not opened(events_of(counts, detector), "silence")
    assert opened(detector.advance(at(330)), "silence")


def test_a_silence_ends_after_a_day_and_the_hashtag_becomes_inactive() -> None:
    detector = Detector()
    events_of(minutes(8.0, 0.2, 300), detector)
    events = detector.advance(at(10_000_000))
    assert [event.state for event in events] == ["open", "closed"]
    assert events[1].closed_at is not None
    assert at(299 + DAY) <= events[1].closed_at <= at(301 + DAY)
    assert detector.fed_until == at(10_000_000)


def test_an_inactive_hashtag_keeps_its_baseline() -> None:
    posts = np.full(3 * DAY, 20.0)
    posts[DAY : 2 * DAY] = 0
    share = np.full(3 * DAY, 0.3)
    share[2 * DAY + 2 :] = 0.6
    found = opened(events_of(minutes(posts, share, 3 * DAY), Detector()), "negative")
    assert found
    assert at(2 * DAY + 2) < found[0].known_at <= at(2 * DAY + 10)
    assert found[0].baseline == pytest.approx(0.3, abs=0.05)


def test_a_quiet_night_is_not_a_silence() -> None:
    course = 10 * np.exp(3 * np.sin(np.arange(3 * DAY) / DAY * 2 * np.pi))
    events = events_of(minutes(np.minimum(course, 60), 0.2, 3 * DAY), Detector())
    assert not opened(events, "silence")


def test_quiet_weeks_raise_next_to_nothing() -> None:
    events = events_of(minutes(10.0, 0.22, 14 * DAY, seed=5), Detector())
    assert len(opened(events, "negative")) <= 2
    assert not opened(events, "volume")
    assert not opened(events, "silence")


def test_a_lasting_change_becomes_the_baseline() -> None:
    share = np.full(2 * DAY, 0.2)
    share[DAY:] = 0.4
    events = events_of(minutes(20.0, share, 2 * DAY), Detector())
    assert len(opened(events, "negative")) == 1
    (closed,) = [event for event in events if event.state == "closed"]
    assert at(DAY + 200) < closed.at < at(DAY + 720)


def test_a_higher_sensitivity_detects_sooner() -> None:
    share = np.full(DAY, 0.2)
    share[1_000:1_100] = 0.36
    counts = minutes(15.0, share, DAY, seed=2)
    known = []
    for name in SENSITIVITY_NAMES:
        own = [event.known_at for event in opened(events_of(counts, Detector(name)), "negative")]
        known.append(min((time for time in own if time > at(1_000)), default=at(DAY)))
    assert known == sorted(known, reverse=True)
    assert known[0] > known[-1]


def test_minutes_must_be_fed_once_and_in_order() -> None:
    detector = Detector()
    assert detector.fed_until is None
    detector.feed(at(5), [MinuteCounts(at(5), "a", 1)])
    assert detector.fed_until == at(6)
    for minute in (5, 4):
        with pytest.raises(ValueError, match="already fed"):
            detector.feed(at(minute))
    with pytest.raises(ValueError, match="counts of"):
        detector.feed(at(7), [MinuteCounts(at(8), "a", 1)])
    with pytest.raises(ValueError, match="start of a minute"):
        detector.feed(at(7) + timedelta(seconds=1))
    assert detector.fed_until == at(6)
    assert detector.advance(at(3)) == []
    assert detector.fed_until == at(6)


@settings(max_examples=15, deadline=None)
@given(every=st.integers(2, 9), negative=st.integers(0, 9), rate=st.integers(1, 40))
@example(every=8, negative=8, rate=35)
@example(every=9, negative=9, rate=4_000)
@example(every=9, negative=0, rate=4_000)
def test_a_constant_share_never_fires(every: int, negative: int, rate: int) -> None:
    each = rate * every
    counts = [
        MinuteCounts(at(minute), "a", each, rate * min(negative, every), each - rate * min(negative, every))
        for minute in range(400)
    ]
    assert events_of(counts, Detector("high")) == []


_DAY = minutes([12.0] * 700, [0.2] * 500 + [0.5] * 40 + [0.2] * 160, 700) + minutes(
    [30.0] * 300 + [0.0] * 200 + [30.0] * 200, 0.3, 700, hashtag="k9", seed=4
)


@settings(max_examples=8, deadline=None)
@given(stop=st.integers(0, 699))
def test_a_restart_gives_the_same_events(stop: int) -> None:
    whole = events_of(_DAY, Detector())
    before = events_of([each for each in _DAY if each.minute <= at(stop)], Detector())
    assert whole[: len(before)] == before
    assert events_of(_DAY, Detector()) == whole


@settings(max_examples=5, deadline=None)
@given(seed=st.randoms(use_true_random=False))
def test_the_order_of_hashtags_within_a_minute_does_not_matter(seed: object) -> None:
    shuffled = list(_DAY)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]
    assert events_of(shuffled, Detector()) == events_of(_DAY, Detector())


def test_each_hashtag_is_watched_by_itself() -> None:
    together = events_of(_DAY, Detector())
    assert {event.kind for event in together} == {"negative", "silence"}
    for hashtag in ("poltwt", "k9"):
        alone = events_of([each for each in _DAY if each.hashtag == hashtag], Detector())
        assert alone == [event for event in together if event.hashtag == hashtag]
