"""The negative spike: the share of negative posts is surely above what is usual.

A generalised likelihood ratio over windows of 1 to 45 minutes: whichever window shows a rise best speaks. It is as fast as any
detector can be, up to a small factor, for spikes of any size and length (`benchmarks/spikes.py` measures the factor).
"""

from __future__ import annotations

from streams.contracts import SpikeKind
from streams.spikes.counts import MinuteCounts
from streams.spikes.episode import Episode
from streams.spikes.events import SpikeEvent
from streams.spikes.evidence import likelihood_ratio, return_likelihood_ratio
from streams.spikes.lagged_baseline import LEAST_WEIGHT, LaggedBaseline
from streams.spikes.running_sums import RunningSums
from streams.spikes.sensitivity import Sensitivity

_WINDOWS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 19, 24, 30, 37, 45)
_CLOSING_EVIDENCE = 8.0
_QUIET_MINUTES = 45
"""A spike ends with its posts, too."""
_MOST_SHARE = 0.99


class NegativeWatch:
    """Of one hashtag."""

    kind: SpikeKind = "negative"

    def __init__(self, hashtag: str, first: int, sensitivity: Sensitivity) -> None:
        self._hashtag = hashtag
        self._first = first
        self._sensitivity = sensitivity
        self._memory = LaggedBaseline(first)
        self._open: Episode | None = None
        self._share = 0.0
        self._back = 0.0
        self._last = 0
        self._since = first
        self._rests_until = first

    @property
    def is_open(self) -> bool:
        """Whether a spike is open."""
        return self._open is not None

    def step(self, number: int, counts: MinuteCounts, recent: RunningSums) -> list[SpikeEvent]:
        """One minute, which `recent` already holds."""
        _, _, n, k = recent.total.minus(recent.before(1))
        self._memory.add(number, n, k, in_spike=self._open is not None)
        if self._open is not None:
            return self._follow(self._open, number, n, k, recent)
        if n == 0 or number < self._rests_until or self._memory.usual.weight < LEAST_WEIGHT:
            return []
        return self._look(number, recent)

    def _look(self, number: int, recent: RunningSums) -> list[SpikeEvent]:
        (_, _, n_total, k_total), wanted, usual = recent.total, self._sensitivity, self._memory.usual
        sums = recent.sums
        longest = min(number + 1 - self._since, self._memory.longest_window(number), len(sums) - 1)
        least_share = usual.share + wanted.min_rise
        best, best_minutes = wanted.evidence, 0
        for minutes in _WINDOWS:
            if minutes > longest:
                break
            _, _, n_before, k_before = sums[-1 - minutes]
            n, k = n_total - n_before, k_total - k_before
            if k < n * least_share or n < wanted.min_posts:
                continue
            found = likelihood_ratio(k, n, usual.share, usual.weight) / self._memory.overdispersion(minutes)
            if found >= best:
                best, best_minutes = found, minutes
        if not best_minutes:
            return []
        opened = number + 1 - best_minutes
        start = recent.before(best_minutes)
        self._open = Episode(self.kind, self._hashtag, opened, number, start, usual.share, recent.rate(best_minutes))
        self._back, self._last = 0.0, number
        return [self._open.turn("open", number, recent.total)]

    def _follow(self, spike: Episode, number: int, n: int, k: int, recent: RunningSums) -> list[SpikeEvent]:
        if self._back == 0.0:
            since = recent.total.minus(spike.start)
            self._share = min(_MOST_SHARE, since.negative_voices / since.voices)
        usual = self._memory.usual.share
        left = self._share - usual
        if n and left > 0:
            self._back = max(
                0.0, self._back + return_likelihood_ratio(k, n, usual, self._share) / self._memory.overdispersion(1)
            )
            if self._back == 0.0:
                self._last = number
        is_usual = left < self._sensitivity.min_rise / 2
        if is_usual or self._back >= _CLOSING_EVIDENCE or number - self._last >= _QUIET_MINUTES:
            return [self._close(spike, number, recent, is_usual)]
        return [spike.turn("growing", number, recent.total)] if spike.has_grown(recent.total) else []

    def _close(self, spike: Episode, number: int, recent: RunningSums, is_usual: bool) -> SpikeEvent:
        last = number if is_usual else self._last
        if not is_usual:
            self._memory.leave_out(spike.opened, last)
        self._open, self._since = None, last + 1
        self._rests_until = number + 1 + self._sensitivity.cool_down_minutes
        return spike.turn("closed", number, recent.before(number - last), last)
