"""The mood of the last minutes, computed from the counters of the enrich worker."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import get_args

from prometheus_client.samples import Sample

from streams.contracts import SentimentLabel

MINUTES = 5
_METRIC = "tagpulse_posts_enriched_total"
_LABELS: tuple[SentimentLabel, ...] = get_args(SentimentLabel)

Counts = Counter[tuple[str, str]]
"""Number of posts by hashtag and sentiment."""


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

    def hashtags(self) -> dict[str, dict[SentimentLabel, int]]:
        """Return the posts of the last minutes by hashtag and sentiment, the most frequent hashtag first."""
        if not self._seen:
            return {}
        recent = self._seen[-1][1] - self._seen[0][1]
        found = {
            hashtag: {label: recent[hashtag, label] for label in _LABELS} for hashtag in {name for name, _ in recent}
        }
        return dict(sorted(found.items(), key=lambda item: (-sum(item[1].values()), item[0])))
