"""The negative spike: the share of negative posts is surely above what is usual.

A generalised likelihood ratio over windows of 1 to 45 minutes: whichever window shows a rise best speaks. It is as fast as any
detector can be, up to a small factor, for spikes of any size and length (`benchmarks/spikes.py` measures the factor).
"""

from __future__ import annotations

from collections import deque

from streams.contracts import SpikeKind
from streams.spikes.baseline import Baseline, Usual
from streams.spikes.counts import MinuteCounts
from streams.spikes.dispersion import Dispersion
from streams.spikes.episode import Episode
from streams.spikes.evidence import back, rise
from streams.spikes.recent import Recent, Sums
from streams.spikes.same_hour import SameHour
from streams.spikes.sensitivity import Sensitivity
from streams.spikes.turns import Turn

_WINDOWS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 19, 24, 30, 37, 45)
_LAG_MINUTES = 60
_SPIKE_LAG_MINUTES = 240
"""What stays for longer is the new usual."""
_LEAST_WEIGHT = 25.0
"""Posts behind a baseline before anything is measured against it."""
_CLOSING_EVIDENCE = 8.0
_QUIET_MINUTES = 45
"""A spike ends with its posts, too."""


class NegativeWatch:
    """Of one hashtag."""

    kind: SpikeKind = "negative"

    def __init__(self, hashtag: str, first: int, sensitivity: Sensitivity) -> None:
        self._hashtag = hashtag
        self._first = first
        self._sensitivity = sensitivity
        self._baseline = Baseline(SameHour(first))
        self._dispersion = Dispersion()
        self._pending: deque[tuple[int, int, int, Usual]] = deque()
        self._spikes: deque[tuple[int, int]] = deque()
        self._open: Episode | None = None
        self._share = 0.0
        self._back = 0.0
        self._last = 0
        self._since = first
        self._rests_until = first

    def step(self, number: int, counts: MinuteCounts, recent: Recent) -> list[Turn]:
        """One minute, which `recent` already holds."""
        self._learn(number)
        usual = self._baseline.usual(number)
        n, k = counts.voices
        self._pending.append((number, n, k, usual))
        if self._open is not None:
            return self._follow(self._open, number, n, k, usual, recent.total)
        if n == 0 or number < self._rests_until or usual.weight < _LEAST_WEIGHT:
            return []
        return self._look(number, usual, recent)

    def _learn(self, number: int) -> None:
        # Half of a young stream is its baseline.
        lag = min(_LAG_MINUTES, (number - self._first) // 2) if self._open is None else _SPIKE_LAG_MINUTES
        while self._pending and self._pending[0][0] <= number - lag:
            minute, n, k, usual = self._pending.popleft()
            while self._spikes and self._spikes[0][1] < minute:
                self._spikes.popleft()
            if self._spikes and self._spikes[0][0] <= minute:
                self._baseline.skip()
                continue
            self._baseline.learn(minute, n, k, usual)
            if usual.weight >= _LEAST_WEIGHT:
                self._dispersion.learn(n, k, usual)

    def _look(self, number: int, usual: Usual, recent: Recent) -> list[Turn]:
        total, wanted = recent.total, self._sensitivity
        longest = min(number + 1 - self._since, (number - self._first) // 2)
        best, best_minutes, best_share = wanted.evidence, 0, 0.0
        for minutes in _WINDOWS:
            if minutes > longest:
                break
            before = recent.before(minutes)
            n = total.voices - before.voices
            k = total.negative_voices - before.negative_voices
            if n < wanted.min_posts or k < n * (usual.share + wanted.min_rise):
                continue
            found = rise(k, n, usual.share, usual.weight) / self._dispersion.of(minutes)
            if found >= best:
                best, best_minutes, best_share = found, minutes, k / n
        if not best_minutes:
            return []
        opened = number + 1 - best_minutes
        self._open = Episode(self.kind, self._hashtag, opened, number, recent.before(best_minutes), usual.share)
        self._share, self._back, self._last = best_share, 0.0, number
        return [self._open.turn("open", number, total)]

    def _follow(self, spike: Episode, number: int, n: int, k: int, usual: Usual, total: Sums) -> list[Turn]:
        at_most = 0.99
        if self._back == 0.0:
            since = total.minus(spike.start)
            self._share = min(at_most, since.negative_voices / since.voices)
        rise_left = self._share - usual.share
        if n and rise_left > 0:
            self._back = max(0.0, self._back + back(k, n, usual.share, self._share) / self._dispersion.of(1))
            if self._back == 0.0:
                self._last = number
        is_usual = rise_left < self._sensitivity.min_rise / 2
        if self._back >= _CLOSING_EVIDENCE or is_usual or number - self._last >= _QUIET_MINUTES:
            return [self._close(spike, number, total, is_usual)]
        return [spike.turn("growing", number, total)] if spike.has_grown(total) else []

    def _close(self, spike: Episode, number: int, total: Sums, is_usual: bool) -> Turn:
        last = number if is_usual else self._last
        if not is_usual:
            self._spikes.append((spike.opened, last))
        self._open, self._since = None, last + 1
        self._rests_until = number + 1 + self._sensitivity.cool_down_minutes
        return spike.turn("closed", number, total, last)
