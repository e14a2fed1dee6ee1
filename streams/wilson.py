"""The confidence interval of a share, by E. B. Wilson.

Probable inference, the law of succession, and statistical inference, Journal of the American Statistical Association 22
(1927), 209-212.
"""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

NORMAL_95 = NormalDist().inv_cdf(0.975)
"""Half the width of a 95 % interval, in standard errors."""


def wilson(k: float, n: float) -> tuple[float, float]:
    """Return the 95 % interval of the share `k` of `n` (`n` > 0)."""
    square = NORMAL_95**2
    centre, spread = k + square / 2, NORMAL_95 * sqrt(k * (n - k) / n + square / 4)
    return max(0.0, (centre - spread) / (n + square)), min(1.0, (centre + spread) / (n + square))
