"""The mood of the last minutes, out of the counters of the worker enrich."""

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
"""Posts by hashtag and sentiment."""


class MoodMeter:
    """Remembers the counters of the last minutes. They start at 0 again with the worker, and so do the minutes."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, Counts]] = deque()

    def add(self, samples: Sequence[Sample], now: float) -> None:
        """Takes in a page of metrics; `now` on the monotonic clock."""
        counts: Counts = Counter()
        for sample in samples:
            if sample.name == _METRIC:
                counts[sample.labels["hashtag"], sample.labels["sentiment"]] += int(sample.value)
        if not counts:
            return
        if self._seen and counts.total() < self._seen[-1][1].total():
            self._seen.clear()
        if not self._seen:
            self._seen.append((now, Counter()))  # the worker started a moment ago: all that it has counted is recent
        self._seen.append((now, counts))
        while len(self._seen) > 1 and self._seen[1][0] <= now - MINUTES * 60:
            self._seen.popleft()

    def hashtags(self) -> dict[str, dict[SentimentLabel, int]]:
        """Posts of the last minutes by sentiment, the most frequent hashtag first."""
        if not self._seen:
            return {}
        recent = self._seen[-1][1] - self._seen[0][1]
        found = {
            hashtag: {label: recent[hashtag, label] for label in _LABELS} for hashtag in {name for name, _ in recent}
        }
        return dict(sorted(found.items(), key=lambda item: (-sum(item[1].values()), item[0])))
