from __future__ import annotations

import pytest

from streams.minutes.post import time_of
from streams.spikes.episode import Episode
from streams.spikes.running_sums import Sums
from streams.wilson import wilson

BEFORE = Sums(posts=100, negative=20, independent_posts=80, independent_negative=10)
NOW = Sums(posts=140, negative=40, independent_posts=110, independent_negative=25)


def episode() -> Episode:
    return Episode("negative", "poltwt", opened=10, known=12, start=BEFORE, baseline=0.1, usual_rate=2.0)


def test_an_event_has_the_figures_since_the_spike_opened() -> None:
    event = episode().turn("open", 12, NOW)
    assert (event.kind, event.hashtag, event.state) == ("negative", "poltwt", "open")
    assert (event.opened_at, event.known_at, event.at, event.closed_at) == (time_of(10), time_of(13), time_of(13), None)
    assert (event.posts, event.negative) == (40, 20)
    assert (event.share, event.low, event.high) == (0.5, *wilson(15, 30)), "of the independent posts"
    assert (event.baseline, event.usual_rate) == (0.1, 2.0)
    assert event.rate == pytest.approx(40 / 3)


def test_the_rate_of_a_closed_spike_ends_with_its_last_minute() -> None:
    event = episode().turn("closed", 20, NOW, closed=14)
    assert (event.at, event.known_at, event.closed_at) == (time_of(21), time_of(13), time_of(15))
    assert event.rate == 40 / 5


def test_without_posts_there_is_no_share() -> None:
    event = episode().turn("open", 12, BEFORE)
    assert (event.posts, event.share, event.low, event.high, event.rate) == (0, None, None, None, 0)


def test_a_spike_has_grown_with_twice_the_posts_of_its_last_event() -> None:
    spike = episode()
    spike.turn("open", 12, NOW)
    assert not spike.has_grown(NOW._replace(posts=179))
    assert spike.has_grown(NOW._replace(posts=180))
    spike.turn("growing", 13, NOW._replace(posts=180))
    assert not spike.has_grown(NOW._replace(posts=259))
    assert spike.has_grown(NOW._replace(posts=260))
    empty = episode()
    empty.turn("open", 12, BEFORE)
    assert not empty.has_grown(BEFORE._replace(posts=101))
    assert empty.has_grown(BEFORE._replace(posts=102))
