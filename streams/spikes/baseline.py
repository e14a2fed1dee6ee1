"""The usual share of negative posts: several horizons, weighted by how well each predicted the last day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

from streams.spikes.same_hour import DAY_MINUTES, SameHour

BLOCK_MINUTES = 5
_MEAN_LIFETIMES = (120.0, 480.0, 1_440.0, 4_320.0)
"""In minutes, one per horizon."""
_PRIOR_POSTS = 10.0
_SAME_HOUR_POSTS = 30.0
_TRUST_DECAY = exp(-BLOCK_MINUTES / DAY_MINUTES)
_MIN_TRUST = -6.0
"""In nats, relative to the best horizon: one that was wrong all day must not take another day to recover."""
_MIN_SHARE = 0.01
_MIN_HORIZON_SHARE = 1e-9
"""If all posts have one label, a horizon's share would otherwise round to 0 or 1, where the likelihood is undefined."""


@dataclass(frozen=True, slots=True)
class BaselineShare:
    """A share and its weight: the number of posts from which it would be known with the same certainty."""

    share: float
    weight: float
    horizons: tuple[float, ...] = ()
    """The share according to each horizon; the last one is the same hour of earlier days."""


class Baseline:
    """Learns blocks of minutes in order. The caller delays them, so that a spike does not affect its own baseline."""

    def __init__(self, same_hour: SameHour) -> None:
        self._same_hour = same_hour
        self._decays = [exp(-BLOCK_MINUTES / lifetime) for lifetime in _MEAN_LIFETIMES]
        self._posts = [0.0] * len(_MEAN_LIFETIMES)
        self._negative = [0.0] * len(_MEAN_LIFETIMES)
        self._trust = [0.0] * (len(_MEAN_LIFETIMES) + 1)

    def learn(self, number: int, posts: int, negative: int, predicted: BaselineShare) -> None:
        """Learn the block that starts at minute `number`, given the share `predicted` for it."""
        for index, decay in enumerate(self._decays):
            self._posts[index] = self._posts[index] * decay + posts
            self._negative[index] = self._negative[index] * decay + negative
        if posts:
            self._same_hour.add(number, posts, negative)
            if predicted.horizons:
                self._update_trust(posts, negative, predicted.horizons)

    def skip(self) -> None:
        """Age the earlier blocks by one block without learning a new one."""
        for index, decay in enumerate(self._decays):
            self._posts[index] *= decay
            self._negative[index] *= decay

    def usual(self, number: int) -> BaselineShare:
        """Return the usual share of negative posts in a minute."""
        estimates = self._horizons()
        n, k = self._same_hour.around(number)
        known = n >= _SAME_HOUR_POSTS
        estimates.append((n, (k + 0.5) / (n + 1)) if known else estimates[-1])
        best = max(self._trust[: None if known else -1])
        trusts = [exp(trust - best) for trust in self._trust]
        if not known:
            trusts[-1] = 0.0
        total = sum(trusts)
        share = sum(trust * share for trust, (_, share) in zip(trusts, estimates, strict=True)) / total
        share = min(max(share, _MIN_SHARE), 1 - _MIN_SHARE)
        spread = share * (1 - share)
        # horizons that disagree reduce the certainty
        variance = sum(
            trust * (spread / n + (each - share) ** 2) for trust, (n, each) in zip(trusts, estimates, strict=True)
        )
        return BaselineShare(share, max(0.0, spread * total / variance - 1), tuple(each for _, each in estimates))

    def _horizons(self) -> list[tuple[float, float]]:
        """Return the posts and share of each horizon; one without posts takes the share of the next longer one."""
        found: list[tuple[float, float]] = []
        prior, weight = 0.5, 1.0
        for n, k in zip(reversed(self._posts), reversed(self._negative), strict=True):
            prior, total = (k + prior * weight) / (n + weight), n + weight
            found.append((total, min(max(prior, _MIN_HORIZON_SHARE), 1 - _MIN_HORIZON_SHARE)))
            weight = min(total, _PRIOR_POSTS)
        return found[::-1]

    def _update_trust(self, posts: int, negative: int, horizons: Sequence[float]) -> None:
        for index, share in enumerate(horizons):
            likelihood = negative * log(share) + (posts - negative) * log(1 - share)
            self._trust[index] = self._trust[index] * _TRUST_DECAY + likelihood
        least = max(self._trust) + _MIN_TRUST
        self._trust = [max(trust, least) for trust in self._trust]
