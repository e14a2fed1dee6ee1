"""A surge of volume: far more posts than is usual, on the scale of the hashtag's own swaying.

The volume is smoothed over a quarter of an hour and measured on a logarithmic scale against the median of two weeks, in typical
deviations (of the median, so that earlier surges do not hide later ones). What comes at the same hour every day is no surge. `benchmarks/nab.py` measures it on NAB's series.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import exp, inf, log
from typing import Literal

import numpy as np

BIN_MINUTES = 5
_SMOOTHED_BINS = 3
_BINS_HOUR = 12
_BINS_DAY = 24 * _BINS_HOUR
_MEMORY_BINS = 14 * _BINS_DAY
_LEAST_BINS = 6
"""Half an hour before anything is measured."""
_OFFSET = 3.0
"""Posts added before the logarithm: a few posts after none are no surge."""
_LEAST_DEVIATION = 0.1
_TO_DEVIATION = 1.4826
"""From the median of the distances to the standard deviation of a normal distribution."""
_CLOSING = 1.5
_TWICE = log(2)
"""A surge twice as high as the last one does not wait for the cool-down."""
_SAME_HOUR_DAYS = 6
_SAME_HOUR_BINS = 12
"""Bins on either side."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a surge takes: typical deviations, posts within a quarter of an hour, and bins of rest after one."""

    deviations: float
    min_posts: int
    rest_bins: int


class Surge:
    """Fed with the posts of each bin of five minutes, one after the other."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._last: deque[int] = deque(maxlen=_SMOOTHED_BINS)
        self._levels = np.zeros(_MEMORY_BINS)
        self._bins = 0
        self._median = self._deviation = 0.0
        self._is_open = False
        self._rests = 0
        self._peak = 0.0

    @property
    def usual_rate(self) -> float:
        """Posts a minute."""
        return max(0.0, exp(self._median) - _OFFSET) / BIN_MINUTES

    def add(self, posts: int) -> Literal["opened", "closed"] | None:
        """The next bin, and what it changes."""
        self._last.append(posts)
        level = log(sum(self._last) / len(self._last) + _OFFSET)
        answer = self._judge(level) if self._bins >= _LEAST_BINS else None
        self._levels[self._bins % _MEMORY_BINS] = level
        self._bins += 1
        if self._bins < _BINS_DAY or self._bins % _BINS_HOUR == 0:
            self._measure()
        return answer

    def _judge(self, level: float) -> Literal["opened", "closed"] | None:
        height = (level - self._median) / self._deviation
        self._rests = max(0, self._rests - 1)
        if self._is_open:
            self._peak = max(self._peak, level)
            if height >= _CLOSING:
                return None
            self._is_open, self._rests = False, self._limits.rest_bins
            return "closed"
        if height < self._limits.deviations or sum(self._last) < self._limits.min_posts:
            return None
        if (self._rests and level < self._peak + _TWICE) or level < self._same_hour() + _TWICE:
            return None
        self._is_open, self._peak = True, level
        return "opened"

    def _same_hour(self) -> float:
        """The peak that is usual at this time of day; nothing at all in the first two days."""
        peaks = []
        for days in range(1, _SAME_HOUR_DAYS + 1):
            middle = self._bins - days * _BINS_DAY
            if middle < _SAME_HOUR_BINS:
                break
            around = np.arange(middle - _SAME_HOUR_BINS, middle + _SAME_HOUR_BINS + 1) % _MEMORY_BINS
            peaks.append(float(self._levels[around].max()))
        return float(np.median(peaks)) if len(peaks) > 1 else -inf

    def _measure(self) -> None:
        levels = self._levels[: self._bins]
        self._median = float(np.median(levels))
        self._deviation = float(np.median(np.abs(levels - self._median))) * _TO_DEVIATION + _LEAST_DEVIATION
