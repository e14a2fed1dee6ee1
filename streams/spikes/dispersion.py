"""Overdispersion: how much more the share of negative posts varies than with independent posts. It divides evidence."""

from __future__ import annotations

from math import exp

from streams.spikes.baseline import BLOCK_MINUTES, BaselineShare

_SCALES = (1, 3, 9)
"""Blocks per sample of each scale. A stream may be steady within minutes and drift over an hour."""
_LONGEST = (8, 25)
"""Longest windows, in minutes, for which the first and the second scale are used."""
_MEMORY_MINUTES = 2_880
_PRIOR = 20.0
"""Number of prior samples with the variance of independent posts."""
_MAX_SQUARE = 9.0
"""Maximum contribution of a sample, in squared standard deviations: an undetected spike is not usual variation."""
_MIN_POSTS = 5


class _Scale:
    def __init__(self, blocks: int) -> None:
        self._length = blocks
        self._decay = exp(-blocks * BLOCK_MINUTES / _MEMORY_MINUTES)
        self._samples = self._squares = 0.0
        self._blocks = self._n = self._k = self._expected = self._variance = 0.0
        self.factor = 1.0

    def learn(self, posts: int, negative: int, usual: BaselineShare) -> None:
        self._blocks += 1
        self._n += posts
        self._k += negative
        self._expected += posts * usual.share
        self._variance += posts * usual.share * (1 - usual.share)
        if self._blocks < self._length:
            return
        if self._n >= _MIN_POSTS:
            variance = self._variance * (1 + self._n / usual.weight)
            self._squares = self._squares * self._decay + min((self._k - self._expected) ** 2 / variance, _MAX_SQUARE)
            self._samples = self._samples * self._decay + 1
            self.factor = max(1.0, (self._squares + _PRIOR) / (self._samples + _PRIOR))
        self._blocks = self._n = self._k = self._expected = self._variance = 0.0


class Dispersion:
    """Learns the same blocks as the baseline."""

    def __init__(self) -> None:
        self._scales = [_Scale(blocks) for blocks in _SCALES]

    def learn(self, posts: int, negative: int, usual: BaselineShare) -> None:
        """Learn a block, given the share that a baseline of sufficient weight predicted for it."""
        for scale in self._scales:
            scale.learn(posts, negative, usual)

    def of(self, minutes: int) -> float:
        """Return the overdispersion factor (1 or more) for a window of this many minutes."""
        index = 0 if minutes <= _LONGEST[0] else 1 if minutes <= _LONGEST[1] else 2
        return self._scales[index].factor
