"""Evidence in nats that a share rose or returned to usual, and the confidence interval of a share."""

from __future__ import annotations

from math import log, sqrt

_Z_95 = 1.959964


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


def interval(k: float, n: float) -> tuple[float, float]:
    """Return the 95 % Wilson interval of the share `k` of `n` (`n` > 0)."""
    share, z2 = k / n, _Z_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z_95 * sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)
