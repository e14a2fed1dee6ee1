"""What a hashtag remembers of its share of negative posts, in blocks of five minutes that come in only after a while.

The lag keeps a spike out of the baseline it is measured against. Half of a young stream is its baseline, so that it can be
measured after some minutes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from streams.spikes.baseline import BLOCK_MINUTES, Baseline, BaselineShare
from streams.spikes.dispersion import Dispersion
from streams.spikes.same_hour import SameHour

_LAG_MINUTES = 60
_SPIKE_LAG_MINUTES = 240
"""While a spike is open. What stays for longer is the new usual."""
LEAST_WEIGHT = 25.0
"""Posts behind a baseline before anything is measured against it."""


@dataclass(slots=True)
class _Block:
    begin: int
    usual: BaselineShare
    posts: int = 0
    negative: int = 0


class LaggedBaseline:
    """Minutes are numbers since 1970; they come one after the other."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._baseline = Baseline(SameHour(first))
        self._dispersion = Dispersion()
        self._blocks: deque[_Block] = deque()
        self._spikes: deque[tuple[int, int]] = deque()
        self.usual = self._baseline.usual(first)
        """What is usual now."""

    def add(self, number: int, posts: int, negative: int, *, in_spike: bool) -> None:
        """The next minute."""
        if not self._blocks or (number - self._first) % BLOCK_MINUTES == 0:
            self._learn(number, in_spike)
            self.usual = self._baseline.usual(number)
            self._blocks.append(_Block(number, self.usual))
        block = self._blocks[-1]
        block.posts += posts
        block.negative += negative

    def leave_out(self, first: int, last: int) -> None:
        """The minutes of a spike: they tell nothing of what is usual."""
        self._spikes.append((first, last))

    def overdispersion(self, minutes: int) -> float:
        """How much more a window of so many minutes sways than independent posts would; at least 1."""
        return self._dispersion.of(minutes)

    def longest_window(self, number: int) -> int:
        """Minutes up to this one that are in no baseline."""
        return min(_LAG_MINUTES, (number - self._first) // 2)

    def _learn(self, number: int, in_spike: bool) -> None:
        lag = _SPIKE_LAG_MINUTES if in_spike else self.longest_window(number)
        while self._blocks and self._blocks[0].begin + BLOCK_MINUTES <= number - lag:
            block = self._blocks.popleft()
            while self._spikes and self._spikes[0][1] < block.begin:
                self._spikes.popleft()
            if self._spikes and self._spikes[0][0] < block.begin + BLOCK_MINUTES:
                self._baseline.skip()
                continue
            self._baseline.learn(block.begin, block.posts, block.negative, block.usual)
            if block.usual.weight >= LEAST_WEIGHT:
                self._dispersion.learn(block.posts, block.negative, block.usual)
