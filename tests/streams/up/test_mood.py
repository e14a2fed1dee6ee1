"""The mood of the last minutes, from counters that start again with the worker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import SENTIMENTS, SentimentLabel
from streams.up.mood import MINUTES, MoodMeter, SentimentTally
from tests.streams.up.parts import sample


def test_the_mood_covers_the_last_minutes() -> None:
    meter = MoodMeter()
    assert meter.hashtags() == {}
    meter.add([sample(10), sample(5, "neutral"), sample(40, hashtag="k9")], 0)
    assert meter.hashtags() == {
        "k9": SentimentTally(negative=40, neutral=0, positive=0),
        "poltwt": SentimentTally(negative=10, neutral=5, positive=0),
    }
    meter.add([sample(10), sample(9, "neutral"), sample(40, hashtag="k9")], 100)
    meter.add([sample(12), sample(9, "neutral"), sample(40, hashtag="k9")], 500)
    assert meter.hashtags() == {"poltwt": SentimentTally(negative=2, neutral=0, positive=0)}
    meter.add([sample(1)], 501)  # the worker was restarted
    assert meter.hashtags() == {"poltwt": SentimentTally(negative=1, neutral=0, positive=0)}


def test_only_the_counter_of_posts_counts_and_the_most_frequent_hashtag_is_first() -> None:
    meter = MoodMeter()
    other = sample(99)._replace(name="tagpulse_acknowledged_total")
    meter.add([other], 0)
    assert meter.hashtags() == {}
    meter.add([sample(2, hashtag="b"), sample(2, hashtag="a"), sample(3, "positive", hashtag="c"), other], 1)
    assert list(meter.hashtags().items()) == [
        ("c", SentimentTally(positive=3)),
        ("a", SentimentTally(negative=2)),
        ("b", SentimentTally(negative=2)),
    ]


def test_a_page_without_samples_changes_nothing() -> None:
    meter = MoodMeter()
    meter.add([sample(4)], 0)
    meter.add([], 1)
    meter.add([sample(6)], 2)
    assert meter.hashtags() == {"poltwt": SentimentTally(negative=6)}


@given(st.lists(st.sampled_from(SENTIMENTS)))
def test_posts_are_counted_by_sentiment_and_their_shares_add_up(labels: list[SentimentLabel]) -> None:
    tally = SentimentTally()
    for label in labels:
        tally.add(label)
    assert tally.total == len(labels)
    shares = [tally.share(label) for label in SENTIMENTS]
    assert shares == [labels.count(label) / max(1, len(labels)) for label in SENTIMENTS]
    assert sum(shares) == pytest.approx(1.0 if labels else 0.0)


def test_tallies_are_added_by_sentiment() -> None:
    assert SentimentTally(1, 2, 3) + SentimentTally(10, 20, 30) == SentimentTally(11, 22, 33)
    assert sum([SentimentTally(1), SentimentTally(0, 0, 1)], SentimentTally()) == SentimentTally(1, 0, 1)


@given(st.lists(st.tuples(st.floats(1, 400), st.integers(0, 50)), min_size=1, max_size=20))
def test_the_mood_counts_each_post_of_the_last_minutes_once(steps: list[tuple[float, int]]) -> None:
    meter = MoodMeter()
    now, total, added = 0.0, 0, []
    for pause, posts in steps:
        now, total = now + pause, total + posts
        added.append((now, posts))
        meter.add([sample(total)], now)
    counted = meter.hashtags().get("poltwt", SentimentTally()).total
    assert counted == sum(posts for at, posts in added if at > now - MINUTES * 60)
