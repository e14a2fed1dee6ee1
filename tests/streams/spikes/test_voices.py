from __future__ import annotations

from streams.spikes.counts import MinuteCounts
from streams.spikes.voices import Voices
from tests.streams.spikes.feed import at


def counts(posts: int, negative: int, voices: int, negative_voices: int) -> MinuteCounts:
    return MinuteCounts(at(0), "a", posts, negative, independent_posts=voices, independent_negative=negative_voices)


def test_a_copied_text_is_a_voice_once() -> None:
    voices = Voices()
    assert voices.of(0, counts(24, 21, 5, 2)) == (5, 2)
    assert voices.of(1, counts(24, 21, 5, 2)) == (4, 1)
    assert voices.of(31, counts(24, 21, 5, 2)) == (4, 1)
    assert voices.of(62, counts(24, 21, 5, 2)) == (5, 2), "a later storm is of another text"


def test_storms_of_each_mood_are_apart() -> None:
    voices = Voices()
    assert voices.of(0, counts(24, 21, 5, 2)) == (5, 2)
    assert voices.of(1, counts(24, 2, 5, 2)) == (5, 2)
    assert voices.of(2, counts(24, 2, 2, 2)) == (1, 1)


def test_without_copies_every_post_counts() -> None:
    voices = Voices()
    for number in range(3):
        assert voices.of(number, counts(10, 3, 10, 3)) == (10, 3)
        assert voices.of(number, MinuteCounts(at(0), "a", 10, 3)) == (10, 3)
        assert voices.of(number, MinuteCounts(at(0), "a")) == (0, 0)
