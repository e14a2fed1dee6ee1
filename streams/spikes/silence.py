"""Detects silences: an active hashtag stops. A gradual overnight decline does not count."""

from __future__ import annotations

from collections import deque
from math import exp

from streams.contracts import SpikeKind
from streams.spikes.counts import MinuteCounts
from streams.spikes.episode import Episode
from streams.spikes.events import SpikeEvent
from streams.spikes.running_sums import RunningSums
from streams.spikes.same_hour import DAY_MINUTES, SameHour
from streams.spikes.sensitivity import Sensitivity

_MEAN_LIFETIMES = (20.0, 60.0, 240.0)
"""Averaging times of the rate, in minutes. The lowest rate counts: a fading hashtag is expected to keep fading."""
_MIN_AGE = 60
_MIN_MINUTES, _MAX_MINUTES = 8, 60
"""A hashtag whose silence would only show after a longer pause was not active."""
_GAPS = 2.0
"""Minimum length of a silence, relative to the longest pause of the last two days."""
_GAP_DAYS = 2


class SilenceWatch:
    """Watches one hashtag for silences."""

    kind: SpikeKind = "silence"

    def __init__(self, hashtag: str, first: int, sensitivity: Sensitivity) -> None:
        self._hashtag = hashtag
        self._first = first
        self._min_expected = sensitivity.silent_posts
        self._cool_down = sensitivity.cool_down_minutes
        self._same_hour = SameHour(first)
        self._decays = [exp(-1 / lifetime) for lifetime in _MEAN_LIFETIMES]
        self._sums = [0.0] * len(_MEAN_LIFETIMES)
        self._weights = [0.0] * len(_MEAN_LIFETIMES)
        self._last = first
        self._rate = self._expected = 0.0
        self._gaps: deque[tuple[int, int]] = deque()
        """Pauses as (minute in which it ended, length), longest first."""
        self._open: Episode | None = None
        self._cool_down_until = first

    @property
    def is_open(self) -> bool:
        """Whether a spike is open."""
        return self._open is not None

    def step(self, number: int, counts: MinuteCounts, recent: RunningSums) -> list[SpikeEvent]:
        """Process one minute, which `recent` already includes."""
        for index, decay in enumerate(self._decays):
            self._sums[index] = self._sums[index] * decay + counts.posts
            self._weights[index] = self._weights[index] * decay + 1
        if counts.posts:
            return self._on_posts(number, counts, recent)
        if number == self._last + 1:
            self._expected = 0.0
        usual = self._same_hour.rate(number)
        self._expected += self._rate if usual is None else min(usual, self._rate)
        pause = number - self._last
        if self._open is not None:
            return [self._close(self._open, number + 1)] if pause >= DAY_MINUTES else []
        if (
            not _MIN_MINUTES <= pause <= _MAX_MINUTES
            or self._expected < self._min_expected
            or self._last - self._first < _MIN_AGE
            or number < self._cool_down_until
            or pause < _GAPS * self._longest_pause(number)
        ):
            return []
        self._open = Episode(
            self.kind, self._hashtag, self._last + 1, number, recent.before(pause), usual_rate=self._expected / pause
        )
        return [self._open.turn("open", number, recent.total)]

    def _on_posts(self, number: int, counts: MinuteCounts, recent: RunningSums) -> list[SpikeEvent]:
        self._same_hour.add(number, counts.posts, counts.negative)
        pause, spike = number - self._last - 1, self._open
        if pause and spike is None:
            while self._gaps and self._gaps[-1][1] <= pause:
                self._gaps.pop()
            self._gaps.append((number, pause))
        self._last = number
        self._rate = min(total / weight for total, weight in zip(self._sums, self._weights, strict=True))
        if spike is None:
            return []
        return [self._close(spike, number)]

    def _close(self, spike: Episode, number: int) -> SpikeEvent:
        """Close the silence before minute `number`: the first with a post, or the end of the first day of silence."""
        self._open = None
        self._cool_down_until = number + self._cool_down
        return spike.turn("closed", number, spike.start, number - 1)

    def _longest_pause(self, number: int) -> int:
        while self._gaps and self._gaps[0][0] < number - _GAP_DAYS * DAY_MINUTES:
            self._gaps.popleft()
        return self._gaps[0][1] if self._gaps else 0
