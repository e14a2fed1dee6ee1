"""Running sums over the last minutes of a hashtag: the sum of a window is a difference."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from streams.spikes.counts import MinuteCounts

KEPT_MINUTES = 240


class Sums(NamedTuple):
    """Cumulative counts up to a minute: all posts, and the independent ones (`independent_posts`)."""

    posts: int
    negative: int
    independent_posts: int
    independent_negative: int

    def minus(self, other: Sums) -> Sums:
        """Return the counts since `other`."""
        return Sums(*(one - two for one, two in zip(self, other, strict=True)))


class RunningSums:
    """Running sums of the last four hours."""

    def __init__(self) -> None:
        self.total = Sums(0, 0, 0, 0)
        self.sums = deque([self.total], maxlen=KEPT_MINUTES + 1)
        """Sums at the end of each minute, newest last."""

    def add(self, counts: MinuteCounts, n: int, k: int) -> None:
        """Add the next minute, with `n` independent posts of which `k` are negative."""
        if counts.posts:
            posts, negative, independent_posts, independent_negative = self.total
            self.total = Sums(
                posts + counts.posts, negative + counts.negative, independent_posts + n, independent_negative + k
            )
        self.sums.append(self.total)

    def before(self, minutes: int) -> Sums:
        """Return the sums up to `minutes` ago, or up to the oldest minute kept."""
        return self.sums[max(-1 - minutes, -len(self.sums))]

    def rate(self, minutes: int) -> float | None:
        """Return the posts per minute before `minutes` ago, over the minutes kept; None if there are none."""
        known = len(self.sums) - 1 - minutes
        return (self.before(minutes).posts - self.sums[0].posts) / known if known > 0 else None
