"""The mood: posts by sentiment, and those of the last minutes from the counters of the enrich worker."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client.samples import Sample

from streams.contracts import SENTIMENTS, SentimentLabel

MINUTES = 5
_METRIC = "tagpulse_posts_enriched_total"

Counts = Counter[tuple[str, str]]
"""Number of posts by hashtag and sentiment."""


@dataclass
class SentimentTally:
    """Posts by sentiment."""

    negative: int = 0
    neutral: int = 0
    positive: int = 0

    @property
    def total(self) -> int:
        return self.negative + self.neutral + self.positive

    def share(self, label: SentimentLabel) -> float:
        """Return the share of posts with this label, 0 to 1; 0 if there are no posts."""
        count: int = getattr(self, label)
        return count / self.total if self.total else 0.0

    def add(self, label: SentimentLabel) -> None:
        setattr(self, label, getattr(self, label) + 1)

    def __add__(self, other: SentimentTally) -> SentimentTally:
        return SentimentTally(
            self.negative + other.negative, self.neutral + other.neutral, self.positive + other.positive
        )


class MoodMeter:
    """Computes the mood from the counters of the last minutes; its counts start again at 0 when the worker restarts."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, Counts]] = deque()

    def add(self, samples: Sequence[Sample], now: float) -> None:
        """Add the samples of a metrics page, scraped at `now` on the monotonic clock."""
        counts: Counts = Counter()
        for sample in samples:
            if sample.name == _METRIC:
                counts[sample.labels["hashtag"], sample.labels["sentiment"]] += int(sample.value)
        if not counts:
            return
        if self._seen and counts.total() < self._seen[-1][1].total():
            self._seen.clear()
        if not self._seen:
            self._seen.append((now, Counter()))  # the worker has just started, so all its counts are recent
        self._seen.append((now, counts))
        while len(self._seen) > 1 and self._seen[1][0] <= now - MINUTES * 60:
            self._seen.popleft()

    def hashtags(self) -> dict[str, SentimentTally]:
        """Return the posts of the last minutes by hashtag and sentiment, the most frequent hashtag first."""
        if not self._seen:
            return {}
        recent = self._seen[-1][1] - self._seen[0][1]
        found = {
            hashtag: SentimentTally(*(recent[hashtag, label] for label in SENTIMENTS))
            for hashtag in {name for name, _ in recent}
        }
        return dict(sorted(found.items(), key=lambda item: (-item[1].total, item[0])))
