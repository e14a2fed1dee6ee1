"""Counts the independent posts of a minute. Copies of a text seen in the last 30 minutes are not counted again."""

from __future__ import annotations

from streams.spikes.counts import MinuteCounts

_STORM_MINUTES = 30


class DistinctPosts:
    """Counts the independent posts of one hashtag, minute by minute.

    The counts of a minute exclude only copies within that minute. A text that is copied for half an hour would count
    once per minute, so it is counted only in the first minute of such a storm.
    """

    def __init__(self) -> None:
        self._last_seen: dict[str, int] = {}
        """Last minute of each text, by fingerprint, oldest first."""

    def of(self, number: int, counts: MinuteCounts) -> tuple[int, int]:
        """Return the independent posts of a minute (numbered since 1970) and how many of them are negative."""
        while self._last_seen and number - next(iter(self._last_seen.values())) > _STORM_MINUTES:
            del self._last_seen[next(iter(self._last_seen))]
        n, k = counts.independent
        for fingerprint, negative in counts.fingerprints.items():
            if self._last_seen.pop(fingerprint, None) is not None:
                n, k = n - 1, k - negative
            self._last_seen[fingerprint] = number
        return n, k
