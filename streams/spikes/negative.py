"""Detects negative spikes: the share of negative posts is above usual with high certainty.

The test is a generalised likelihood ratio over windows of 1 to 45 minutes; the window with the strongest evidence wins.
For spikes of any size and length it is as fast as any detector can be, up to a small factor, which
`benchmarks/spikes.py` measures.
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
"""A spike also ends after this long without elevated posts."""
_MAX_SHARE = 0.99


class NegativeWatch:
    """Watches one hashtag for negative spikes."""

    kind: SpikeKind = "negative"

    def __init__(self, hashtag: str, first: int, sensitivity: Sensitivity) -> None:
        self._hashtag = hashtag
        self._first = first
        self._sensitivity = sensitivity
        self._baseline = LaggedBaseline(first)
        self._open: Episode | None = None
        self._share = 0.0
        self._return_evidence = 0.0
        self._last = 0
        self._since = first
        self._cool_down_until = first

    @property
    def is_open(self) -> bool:
        """Whether a spike is open."""
        return self._open is not None

    def step(self, number: int, counts: MinuteCounts, recent: RunningSums) -> list[SpikeEvent]:
        """Process one minute, which `recent` already includes."""
        _, _, n, k = recent.total.minus(recent.before(1))
        self._baseline.add(number, n, k, in_spike=self._open is not None)
        if self._open is not None:
            return self._update_open(self._open, number, n, k, recent)
        if n == 0 or number < self._cool_down_until or self._baseline.usual.weight < LEAST_WEIGHT:
            return []
        return self._check(number, recent)

    def _check(self, number: int, recent: RunningSums) -> list[SpikeEvent]:
        (_, _, n_total, k_total), sensitivity, usual = recent.total, self._sensitivity, self._baseline.usual
        sums = recent.sums
        longest = min(number + 1 - self._since, self._baseline.longest_window(number), len(sums) - 1)
        min_share = usual.share + sensitivity.min_rise
        best, best_minutes = sensitivity.evidence, 0
        for minutes in _WINDOWS:
            if minutes > longest:
                break
            _, _, n_before, k_before = sums[-1 - minutes]
            n, k = n_total - n_before, k_total - k_before
            if k < n * min_share or n < sensitivity.min_posts:
                continue
            found = likelihood_ratio(k, n, usual.share, usual.weight) / self._baseline.overdispersion(minutes)
            if found >= best:
                best, best_minutes = found, minutes
        if not best_minutes:
            return []
        opened = number + 1 - best_minutes
        start = recent.before(best_minutes)
        self._open = Episode(self.kind, self._hashtag, opened, number, start, usual.share, recent.rate(best_minutes))
        self._return_evidence, self._last = 0.0, number
        return [self._open.turn("open", number, recent.total)]

    def _update_open(self, spike: Episode, number: int, n: int, k: int, recent: RunningSums) -> list[SpikeEvent]:
        if self._return_evidence == 0.0:
            since = recent.total.minus(spike.start)
            self._share = min(_MAX_SHARE, since.independent_negative / since.independent_posts)
        usual = self._baseline.usual.share
        excess = self._share - usual
        if n and excess > 0:
            self._return_evidence = max(
                0.0,
                self._return_evidence
                + return_likelihood_ratio(k, n, usual, self._share) / self._baseline.overdispersion(1),
            )
            if self._return_evidence == 0.0:
                self._last = number
        is_usual = excess < self._sensitivity.min_rise / 2
        if is_usual or self._return_evidence >= _CLOSING_EVIDENCE or number - self._last >= _QUIET_MINUTES:
            return [self._close(spike, number, recent, is_usual)]
        return [spike.turn("growing", number, recent.total)] if spike.has_grown(recent.total) else []

    def _close(self, spike: Episode, number: int, recent: RunningSums, is_usual: bool) -> SpikeEvent:
        last = number if is_usual else self._last
        if not is_usual:
            self._baseline.leave_out(spike.opened, last)
        self._open, self._since = None, last + 1
        self._cool_down_until = number + 1 + self._sensitivity.cool_down_minutes
        return spike.turn("closed", number, recent.before(number - last), last)
