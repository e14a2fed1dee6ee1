"""Detects volume spikes: far more posts than usual."""

from __future__ import annotations

from streams.contracts import SpikeKind
from streams.spikes.counts import MinuteCounts
from streams.spikes.episode import Episode
from streams.spikes.events import SpikeEvent
from streams.spikes.running_sums import RunningSums
from streams.spikes.sensitivity import Sensitivity
from streams.spikes.surge import BIN_MINUTES, Limits, Surge


class VolumeWatch:
    """Watches one hashtag for volume spikes."""

    kind: SpikeKind = "volume"

    def __init__(self, hashtag: str, first: int, sensitivity: Sensitivity) -> None:
        self._hashtag = hashtag
        # the bin in which a hashtag first appears is incomplete
        self._first_full_bin = -(-first // BIN_MINUTES) * BIN_MINUTES
        self._surge = Surge(limits_of(sensitivity))
        self._open: Episode | None = None

    @property
    def is_open(self) -> bool:
        """Whether a spike is open."""
        return self._open is not None

    def step(self, number: int, counts: MinuteCounts, recent: RunningSums) -> list[SpikeEvent]:
        """Process one minute, which `recent` already includes."""
        if number < self._first_full_bin or (number + 1) % BIN_MINUTES:
            return []
        before = recent.before(BIN_MINUTES)
        usual_rate = self._surge.usual_rate
        change = self._surge.add(recent.total.posts - before.posts)
        if self._open is None:
            if change != "opened":
                return []
            opened = number + 1 - BIN_MINUTES
            self._open = Episode(self.kind, self._hashtag, opened, number, before, usual_rate=usual_rate)
            return [self._open.turn("open", number, recent.total)]
        spike = self._open
        if change == "closed":
            self._open = None
            return [spike.turn("closed", number, recent.total, number)]
        return [spike.turn("growing", number, recent.total)] if spike.has_grown(recent.total) else []


def limits_of(sensitivity: Sensitivity) -> Limits:
    """Return the thresholds of a surge for a sensitivity."""
    rest = sensitivity.surge_cool_down_minutes // BIN_MINUTES
    return Limits(deviations=sensitivity.surge, min_posts=sensitivity.min_surge_posts, rest_bins=rest)
