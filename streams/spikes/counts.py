"""The input of the detector: the number of posts and of negative posts of a hashtag in a minute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from streams.contracts import PulseMinute


@dataclass(frozen=True, slots=True)
class MinuteCounts:
    """The counts of one hashtag in one complete minute of event time. They may be omitted for minutes without posts."""

    minute: datetime
    """Start of the minute (UTC)."""
    hashtag: str
    posts: int = 0
    negative: int = 0
    neutral: int = 0
    positive: int = 0
    independent_posts: int | None = None
    """Posts without reposts, counting each text and each author once; None if unknown. A text shared a hundred times is
    one independent post."""
    independent_negative: int | None = None
    fingerprints: Mapping[str, bool] = field(default_factory=dict, hash=False)
    """Fingerprints of the independent posts' texts, and whether they are negative: later minutes may have copies."""

    @property
    def independent(self) -> tuple[int, int]:
        """Independent posts and how many of them are negative; all posts if the independent ones are unknown."""
        if self.independent_posts is None or self.independent_negative is None:
            return self.posts, self.negative
        return self.independent_posts, self.independent_negative


def merge_parts(parts: Sequence[PulseMinute]) -> MinuteCounts:
    """Merge the parts of one minute and hashtag, one per partition. There must be at least one part."""
    fingerprints: dict[str, bool] = {}
    n, k = sum(part.independent.posts for part in parts), sum(part.independent.negative for part in parts)
    for fingerprint, negative in (item for part in parts for item in part.fingerprints.items()):
        if fingerprint in fingerprints:  # copies in several partitions count once
            n, k = n - 1, k - negative
        fingerprints.setdefault(fingerprint, negative)
    return MinuteCounts(
        minute=parts[0].minute,
        hashtag=parts[0].hashtag,
        posts=sum(part.sentiments.posts for part in parts),
        negative=sum(part.sentiments.negative for part in parts),
        neutral=sum(part.sentiments.neutral for part in parts),
        positive=sum(part.sentiments.positive for part in parts),
        independent_posts=n,
        independent_negative=k,
        fingerprints=fingerprints,
    )
