"""Evidence in nats that a share rose or returned to usual."""

from __future__ import annotations

from math import log


def likelihood_ratio(k: float, n: float, usual: float, weight: float) -> float:
    """Return the log likelihood ratio that `k` of `n` is above a usual share known from `weight` posts; 0 if it is not.

    If the usual share is known for certain (an infinite weight), this is n · KL(k/n ‖ usual).
    """
    if k <= usual * n:
        return 0.0
    pooled = (k + usual * weight) / (n + weight)
    return _likelihood(k, n, pooled) + weight * (_part(usual, pooled) + _part(1 - usual, 1 - pooled))


def _likelihood(k: float, n: float, against: float) -> float:
    share = k / n
    return n * (_part(share, against) + _part(1 - share, 1 - against))


def _part(share: float, against: float) -> float:
    return share * log(share / against) if share > 0 else 0.0


def return_likelihood_ratio(k: int, n: int, usual: float, spike: float) -> float:
    """Return the log likelihood ratio of one minute for the usual share against the share of a spike."""
    return k * log(usual / spike) + (n - k) * log((1 - usual) / (1 - spike))
