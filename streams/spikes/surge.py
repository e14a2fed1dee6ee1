"""Detects surges of volume: far more posts than usual, relative to the hashtag's own variation.

The volume is smoothed over a quarter of an hour and measured on a logarithmic scale against the median of two weeks, in
typical deviations (median absolute deviations, so that earlier surges do not hide later ones). A rise at the same hour
every day is not a surge. `benchmarks/nab.py` evaluates the method on the NAB series.
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
_MIN_BINS = 6
"""Nothing is measured in the first half hour."""
_OFFSET = 3.0
"""Posts added before taking the logarithm, so that a few posts after none are not a surge."""
_MIN_DEVIATION = 0.1
_TO_DEVIATION = 1.4826
"""Converts the median absolute deviation to the standard deviation of a normal distribution."""
_CLOSING = 1.5
_TWICE = log(2)
"""A surge twice as high as the last one may open during the cool-down."""
_SAME_HOUR_DAYS = 6
_SAME_HOUR_BINS = 12
"""Neighbouring bins on either side that count as the same hour."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The thresholds of a surge: typical deviations, posts in a quarter of an hour, and bins of rest after a surge."""

    deviations: float
    min_posts: int
    rest_bins: int


class Surge:
    """Detects surges in the number of posts per bin of five minutes, added consecutively."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._last: deque[int] = deque(maxlen=_SMOOTHED_BINS)
        self._levels = np.zeros(_MEMORY_BINS)
        self._bins = 0
        self._median = self._deviation = 0.0
        self._is_open = False
        self._rest_bins_left = 0
        self._peak = 0.0

    @property
    def usual_rate(self) -> float:
        """Usual posts per minute."""
        return max(0.0, exp(self._median) - _OFFSET) / BIN_MINUTES

    def add(self, posts: int) -> Literal["opened", "closed"] | None:
        """Add the next bin; return whether a surge opened or closed, None if neither."""
        self._last.append(posts)
        level = log(sum(self._last) / len(self._last) + _OFFSET)
        change = self._update_state(level) if self._bins >= _MIN_BINS else None
        self._levels[self._bins % _MEMORY_BINS] = level
        self._bins += 1
        if self._bins < _BINS_DAY or self._bins % _BINS_HOUR == 0:
            self._measure()
        return change

    def _update_state(self, level: float) -> Literal["opened", "closed"] | None:
        height = (level - self._median) / self._deviation
        self._rest_bins_left = max(0, self._rest_bins_left - 1)
        if self._is_open:
            self._peak = max(self._peak, level)
            if height >= _CLOSING:
                return None
            self._is_open, self._rest_bins_left = False, self._limits.rest_bins
            return "closed"
        if height < self._limits.deviations or sum(self._last) < self._limits.min_posts:
            return None
        if (self._rest_bins_left and level < self._peak + _TWICE) or level < self._same_hour() + _TWICE:
            return None
        self._is_open, self._peak = True, level
        return "opened"

    def _same_hour(self) -> float:
        """Return the usual peak at this time of day; minus infinity in the first two days."""
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
        self._deviation = float(np.median(np.abs(levels - self._median))) * _TO_DEVIATION + _MIN_DEVIATION
