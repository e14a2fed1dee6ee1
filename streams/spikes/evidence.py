"""How surely a share rose, in nats, and the interval of a share."""

from __future__ import annotations

from math import log, sqrt

_Z_95 = 1.959964


def likelihood_ratio(k: float, n: float, usual: float, weight: float) -> float:
    """Logarithm of the likelihood ratio: `k` of `n` against a usual share that `weight` posts told; 0 where it did not rise.

    With a usual share that is known for certain (an infinite weight) it is n · KL(k/n ‖ usual).
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
    """Logarithm of the likelihood ratio of one minute: for the usual share, against that of a spike."""
    return k * log(usual / spike) + (n - k) * log((1 - usual) / (1 - spike))


def interval(k: float, n: float) -> tuple[float, float]:
    """Wilson's interval (95 %) of a share of `k` in `n` > 0."""
    share, z2 = k / n, _Z_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z_95 * sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)
