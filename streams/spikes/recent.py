"""The last minutes of a hashtag, and sums over windows of them."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from streams.spikes.counts import MinuteCounts

KEPT_MINUTES = 240


class Sums(NamedTuple):
    """Sums up to a minute, or over a window: all posts and the independent ones."""

    posts: int
    negative: int
    voices: int
    negative_voices: int

    def minus(self, other: Sums) -> Sums:
        """What came after `other`."""
        return Sums(*(one - two for one, two in zip(self, other, strict=True)))


class Recent:
    """Running sums: a window is a difference."""

    def __init__(self) -> None:
        self._sums = deque([Sums(0, 0, 0, 0)], maxlen=KEPT_MINUTES + 1)

    def add(self, counts: MinuteCounts) -> None:
        """The next minute."""
        last, (voices, negative_voices) = self._sums[-1], counts.voices
        self._sums.append(
            Sums(
                last.posts + counts.posts,
                last.negative + counts.negative,
                last.voices + voices,
                last.negative_voices + negative_voices,
            )
        )

    @property
    def total(self) -> Sums:
        """Everything so far."""
        return self._sums[-1]

    def before(self, minutes: int) -> Sums:
        """Everything up to `minutes` ago, or to the oldest minute that is kept."""
        return self._sums[max(-1 - minutes, -len(self._sums))]
