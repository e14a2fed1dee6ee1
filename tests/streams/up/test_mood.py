"""The mood of the last minutes, from counters that start again with the worker."""

from __future__ import annotations

from streams.up.mood import MoodMeter, SentimentTally
from tests.streams.up.parts import sample


def test_the_mood_is_that_of_the_last_minutes() -> None:
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
