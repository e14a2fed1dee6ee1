"""How much more the share of a stream sways than that of independent posts would: evidence is divided by it."""

from __future__ import annotations

from math import exp

from streams.spikes.baseline import Usual

_SCALES = (5, 15, 45)
"""Minutes in a block. A stream may be calm within minutes, and drift over an hour."""
_MEMORY_MINUTES = 2_880
_PRIOR_BLOCKS = 20.0
_MOST = 9.0
"""Squared standard deviations that one block may add: a spike that nobody found is not the usual swaying."""


class _Scale:
    def __init__(self, minutes: int) -> None:
        self.minutes = minutes
        self._decay = exp(-minutes / _MEMORY_MINUTES)
        self._blocks = self._squares = 0.0
        self._held = self._n = self._k = self._expected = self._variance = 0.0

    def learn(self, posts: float, negative: float, usual: Usual) -> None:
        self._held += 1
        self._n += posts
        self._k += negative
        self._expected += posts * usual.share
        spread = usual.share * (1 - usual.share)
        self._variance += posts * spread
        if self._held < self.minutes:
            return
        if self._n >= 5:
            variance = self._variance * (1 + self._n / max(usual.weight, 1.0))
            self._squares = self._squares * self._decay + min((self._k - self._expected) ** 2 / variance, _MOST)
            self._blocks = self._blocks * self._decay + 1
        self._held = self._n = self._k = self._expected = self._variance = 0.0

    @property
    def factor(self) -> float:
        return max(1.0, (self._squares + _PRIOR_BLOCKS) / (self._blocks + _PRIOR_BLOCKS))


class Dispersion:
    """Learns the minutes that the baseline learns."""

    def __init__(self) -> None:
        self._scales = [_Scale(minutes) for minutes in _SCALES]
        self.factors = [1.0] * len(_SCALES)

    def learn(self, posts: float, negative: float, usual: Usual) -> None:
        """A minute, and what was foretold of it."""
        for index, scale in enumerate(self._scales):
            scale.learn(posts, negative, usual)
            self.factors[index] = scale.factor

    def of(self, minutes: int) -> float:
        """The factor (1 or more) for a window of so many minutes."""
        return self.factors[0 if minutes <= 8 else 1 if minutes <= 25 else 2]
