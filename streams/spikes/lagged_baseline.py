"""The baseline of a hashtag's share of negative posts, learnt with a delay in blocks of five minutes.

The lag keeps a spike out of the baseline it is measured against. For a young stream the lag is half its age, so that it
can be measured after a few minutes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from streams.spikes.baseline import BLOCK_MINUTES, Baseline, BaselineShare
from streams.spikes.dispersion import Dispersion
from streams.spikes.same_hour import SameHour

_LAG_MINUTES = 60
_SPIKE_LAG_MINUTES = 240
"""Lag while a spike is open. A share that stays high for longer becomes the new baseline."""
LEAST_WEIGHT = 25.0
"""Minimum weight of a baseline, in posts, before anything is measured against it."""


@dataclass(slots=True)
class _Block:
    start: int
    usual: BaselineShare
    posts: int = 0
    negative: int = 0


class LaggedBaseline:
    """The baseline of one hashtag. Minutes are numbered since 1970 and must be added consecutively."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._baseline = Baseline(SameHour(first))
        self._dispersion = Dispersion()
        self._blocks: deque[_Block] = deque()
        self._spikes: deque[tuple[int, int]] = deque()
        self.usual = self._baseline.usual(first)
        """The current baseline."""

    def add(self, number: int, posts: int, negative: int, *, in_spike: bool) -> None:
        """Add the next minute."""
        if not self._blocks or (number - self._first) % BLOCK_MINUTES == 0:
            self._learn(number, in_spike)
            self.usual = self._baseline.usual(number)
            self._blocks.append(_Block(number, self.usual))
        block = self._blocks[-1]
        block.posts += posts
        block.negative += negative

    def leave_out(self, first: int, last: int) -> None:
        """Exclude the minutes of a spike from the baseline."""
        self._spikes.append((first, last))

    def overdispersion(self, minutes: int) -> float:
        """Return the overdispersion factor (1 or more) for a window of this many minutes."""
        return self._dispersion.of(minutes)

    def longest_window(self, number: int) -> int:
        """Return the number of minutes up to this one that are not part of the baseline yet."""
        return min(_LAG_MINUTES, (number - self._first) // 2)

    def _learn(self, number: int, in_spike: bool) -> None:
        lag = _SPIKE_LAG_MINUTES if in_spike else self.longest_window(number)
        while self._blocks and self._blocks[0].start + BLOCK_MINUTES <= number - lag:
            block = self._blocks.popleft()
            while self._spikes and self._spikes[0][1] < block.start:
                self._spikes.popleft()
            if self._spikes and self._spikes[0][0] < block.start + BLOCK_MINUTES:
                self._baseline.skip()
                continue
            self._baseline.learn(block.start, block.posts, block.negative, block.usual)
            if block.usual.weight >= LEAST_WEIGHT:
                self._dispersion.learn(block.posts, block.negative, block.usual)
