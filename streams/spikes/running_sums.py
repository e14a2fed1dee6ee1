"""The last minutes of a hashtag, as running sums: a window is a difference."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from streams.spikes.counts import MinuteCounts

KEPT_MINUTES = 240


class Sums(NamedTuple):
    """Everything up to a minute: all posts and the independent ones."""

    posts: int
    negative: int
    voices: int
    negative_voices: int

    def minus(self, other: Sums) -> Sums:
        """What came after `other`."""
        return Sums(*(one - two for one, two in zip(self, other, strict=True)))


class RunningSums:
    """The sums of the last hours."""

    def __init__(self) -> None:
        self.total = Sums(0, 0, 0, 0)
        self.sums = deque([self.total], maxlen=KEPT_MINUTES + 1)
        """At the end of each minute, the newest last."""

    def add(self, counts: MinuteCounts, n: int, k: int) -> None:
        """The next minute, with its independent posts and the negative ones of them."""
        if counts.posts:
            posts, negative, voices, negative_voices = self.total
            self.total = Sums(posts + counts.posts, negative + counts.negative, voices + n, negative_voices + k)
        self.sums.append(self.total)

    def before(self, minutes: int) -> Sums:
        """Everything up to `minutes` ago, or to the oldest minute that is kept."""
        return self.sums[max(-1 - minutes, -len(self.sums))]

    def rate(self, minutes: int) -> float | None:
        """Posts a minute before `minutes` ago, as far as the minutes are kept; None when none is."""
        known = len(self.sums) - 1 - minutes
        return (self.before(minutes).posts - self.sums[0].posts) / known if known > 0 else None
