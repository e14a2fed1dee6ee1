"""What the detector reads: how many posts a hashtag had in a minute, and how many of them were negative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from streams.contracts import PulseMinute


@dataclass(frozen=True, slots=True)
class MinuteCounts:
    """A whole minute of event time of one hashtag. A minute without posts needs none."""

    minute: datetime
    """Its begin, in UTC."""
    hashtag: str
    posts: int = 0
    negative: int = 0
    neutral: int = 0
    positive: int = 0
    independent_posts: int | None = None
    """With each text and each author counted once, where it is known: a text that is shared a hundred times is one voice."""
    independent_negative: int | None = None

    @property
    def voices(self) -> tuple[int, int]:
        """Independent posts, and the negative ones of them; all posts where nobody knows."""
        if self.independent_posts is None or self.independent_negative is None:
            return self.posts, self.negative
        return self.independent_posts, self.independent_negative


def merge_parts(parts: Sequence[PulseMinute]) -> MinuteCounts:
    """The parts of one minute and hashtag, one a partition, as one. There must be at least one."""
    return MinuteCounts(
        minute=parts[0].minute,
        hashtag=parts[0].hashtag,
        posts=sum(part.moods.posts for part in parts),
        negative=sum(part.moods.negative for part in parts),
        neutral=sum(part.moods.neutral for part in parts),
        positive=sum(part.moods.positive for part in parts),
        independent_posts=sum(part.independent.posts for part in parts),
        independent_negative=sum(part.independent.negative for part in parts),
    )
