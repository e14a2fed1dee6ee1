"""How much more the share of a stream sways than that of independent posts would: evidence is divided by it."""

from __future__ import annotations

from math import exp

from streams.spikes.baseline import BLOCK_MINUTES, BaselineShare

_SCALES = (1, 3, 9)
"""Blocks that are looked at together. A stream may be calm within minutes, and drift over an hour."""
_LONGEST = (8, 25)
"""Minutes up to which a window is measured by the first and the second scale."""
_MEMORY_MINUTES = 2_880
_PRIOR = 20.0
"""Looks that say that the posts are independent."""
_MOST = 9.0
"""Squared standard deviations that one look may add: a spike that nobody found is not the usual swaying."""
_LEAST_POSTS = 5


class _Scale:
    def __init__(self, blocks: int) -> None:
        self._length = blocks
        self._decay = exp(-blocks * BLOCK_MINUTES / _MEMORY_MINUTES)
        self._looks = self._squares = 0.0
        self._held = self._n = self._k = self._expected = self._variance = 0.0
        self.factor = 1.0

    def learn(self, posts: int, negative: int, usual: BaselineShare) -> None:
        self._held += 1
        self._n += posts
        self._k += negative
        self._expected += posts * usual.share
        self._variance += posts * usual.share * (1 - usual.share)
        if self._held < self._length:
            return
        if self._n >= _LEAST_POSTS:
            variance = self._variance * (1 + self._n / usual.weight)
            self._squares = self._squares * self._decay + min((self._k - self._expected) ** 2 / variance, _MOST)
            self._looks = self._looks * self._decay + 1
            self.factor = max(1.0, (self._squares + _PRIOR) / (self._looks + _PRIOR))
        self._held = self._n = self._k = self._expected = self._variance = 0.0


class Dispersion:
    """Learns the blocks that the baseline learns."""

    def __init__(self) -> None:
        self._scales = [_Scale(blocks) for blocks in _SCALES]

    def learn(self, posts: int, negative: int, usual: BaselineShare) -> None:
        """A block, and what was foretold of it by a baseline that has some weight."""
        for scale in self._scales:
            scale.learn(posts, negative, usual)

    def of(self, minutes: int) -> float:
        """The factor (1 or more) for a window of so many minutes."""
        index = 0 if minutes <= _LONGEST[0] else 1 if minutes <= _LONGEST[1] else 2
        return self._scales[index].factor
