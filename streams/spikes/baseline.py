"""The share of negative posts that is usual: several horizons, each weighed by how well it foretold the last day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

from streams.spikes.same_hour import DAY_MINUTES, SameHour

BLOCK_MINUTES = 5
_MEAN_LIVES = (120.0, 480.0, 1_440.0, 4_320.0)
"""Minutes."""
_PRIOR_POSTS = 10.0
_SAME_HOUR_POSTS = 30.0
_TRUST_FORGETTING = exp(-BLOCK_MINUTES / DAY_MINUTES)
_LEAST_TRUST = -6.0
"""Nats behind the best: a horizon that was wrong all day must not take another day to come back."""
_LEAST_SHARE = 0.01
_LEAST_HORIZON_SHARE = 1e-9
"""A stream of one mood alone brings a horizon so close to 0 or 1 that it would be rounded to it, which has no likelihood."""


@dataclass(frozen=True, slots=True)
class BaselineShare:
    """A share, and the number of posts that would tell it as surely as it is known."""

    share: float
    weight: float
    horizons: tuple[float, ...] = ()
    """What each horizon says; the last one is the same hour of earlier days."""


class Baseline:
    """Learns blocks of minutes in order, long after they happened, so that a spike does not enter what it is measured against."""

    def __init__(self, same_hour: SameHour) -> None:
        self._same_hour = same_hour
        self._decays = [exp(-BLOCK_MINUTES / life) for life in _MEAN_LIVES]
        self._posts = [0.0] * len(_MEAN_LIVES)
        self._negative = [0.0] * len(_MEAN_LIVES)
        self._trust = [0.0] * (len(_MEAN_LIVES) + 1)

    def learn(self, number: int, posts: int, negative: int, foretold: BaselineShare) -> None:
        """The block that begins at a minute, and what was foretold of it."""
        for index, decay in enumerate(self._decays):
            self._posts[index] = self._posts[index] * decay + posts
            self._negative[index] = self._negative[index] * decay + negative
        if posts:
            self._same_hour.add(number, posts, negative)
            if foretold.horizons:
                self._judge(posts, negative, foretold.horizons)

    def skip(self) -> None:
        """A block that is not to be learnt still lets the earlier ones grow old."""
        for index, decay in enumerate(self._decays):
            self._posts[index] *= decay
            self._negative[index] *= decay

    def usual(self, number: int) -> BaselineShare:
        """What is usual in a minute."""
        told = self._horizons()
        n, k = self._same_hour.around(number)
        known = n >= _SAME_HOUR_POSTS
        told.append((n, (k + 0.5) / (n + 1)) if known else told[-1])
        best = max(self._trust[: None if known else -1])
        trusts = [exp(trust - best) for trust in self._trust]
        if not known:
            trusts[-1] = 0.0
        whole = sum(trusts)
        share = sum(trust * share for trust, (_, share) in zip(trusts, told, strict=True)) / whole
        share = min(max(share, _LEAST_SHARE), 1 - _LEAST_SHARE)
        spread = share * (1 - share)
        # horizons that contradict each other leave less that is sure
        variance = sum(
            trust * (spread / n + (each - share) ** 2) for trust, (n, each) in zip(trusts, told, strict=True)
        )
        return BaselineShare(share, max(0.0, spread * whole / variance - 1), tuple(each for _, each in told))

    def _horizons(self) -> list[tuple[float, float]]:
        """Posts and share of each horizon. A short one without posts says what the next longer one says."""
        found: list[tuple[float, float]] = []
        prior, weight = 0.5, 1.0
        for n, k in zip(reversed(self._posts), reversed(self._negative), strict=True):
            prior, whole = (k + prior * weight) / (n + weight), n + weight
            found.append((whole, min(max(prior, _LEAST_HORIZON_SHARE), 1 - _LEAST_HORIZON_SHARE)))
            weight = min(whole, _PRIOR_POSTS)
        return found[::-1]

    def _judge(self, posts: int, negative: int, horizons: Sequence[float]) -> None:
        for index, share in enumerate(horizons):
            likelihood = negative * log(share) + (posts - negative) * log(1 - share)
            self._trust[index] = self._trust[index] * _TRUST_FORGETTING + likelihood
        least = max(self._trust) + _LEAST_TRUST
        self._trust = [max(trust, least) for trust in self._trust]
