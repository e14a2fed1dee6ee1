"""What the detector reads: how many posts a hashtag had in a minute, and how many of them were negative."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    """Without reposts and with each text and each author counted once, where it is known: a text that is shared a hundred
    times is one voice."""
    independent_negative: int | None = None
    said: Mapping[str, bool] = field(default_factory=dict, hash=False)
    """Marks of the texts of independent posts, and whether they are negative: the next minutes may have them again."""

    @property
    def voices(self) -> tuple[int, int]:
        """Independent posts, and the negative ones of them; all posts where nobody knows."""
        if self.independent_posts is None or self.independent_negative is None:
            return self.posts, self.negative
        return self.independent_posts, self.independent_negative


def merge_parts(parts: Sequence[PulseMinute]) -> MinuteCounts:
    """The parts of one minute and hashtag, one a partition, as one. There must be at least one."""
    said: dict[str, bool] = {}
    n, k = sum(part.independent.posts for part in parts), sum(part.independent.negative for part in parts)
    for mark, negative in (item for part in parts for item in part.said.items()):
        if mark in said:  # one voice, whose copies came to several partitions
            n, k = n - 1, k - negative
        said.setdefault(mark, negative)
    return MinuteCounts(
        minute=parts[0].minute,
        hashtag=parts[0].hashtag,
        posts=sum(part.moods.posts for part in parts),
        negative=sum(part.moods.negative for part in parts),
        neutral=sum(part.moods.neutral for part in parts),
        positive=sum(part.moods.positive for part in parts),
        independent_posts=n,
        independent_negative=k,
        said=said,
    )
