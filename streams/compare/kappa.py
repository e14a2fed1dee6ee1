"""Agreement of two raters beyond chance, with confidence intervals.

Cohen's kappa: J. Cohen, A coefficient of agreement for nominal scales, Educational and Psychological Measurement 20
(1960), 37-46. Its standard error for large samples: J. L. Fleiss, J. Cohen and B. S. Everitt, Large sample standard
errors of kappa and weighted kappa, Psychological Bulletin 72 (1969), 323-327; computed here as the variance of the
`influences`, whose squares add up to their formula.

scikit-learn has kappa alone, without the interval and the influences, and of labels per post rather than counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

from streams.wilson import NORMAL_95

Interval = tuple[float, float]
"""Lower and upper bound at 95 % confidence."""
Pairs = Mapping[tuple[str, str], int]
"""Number of posts to which run A gave the first label and run B the second."""


def kappa(pairs: Pairs) -> float | None:
    """Return Cohen's kappa; None if there are no posts, or if both runs gave one and the same label to all of them."""
    total = sum(pairs.values())
    rows, columns = _margins(pairs)
    by_chance = sum(count * columns.get(label, 0) for label, count in rows.items())
    if by_chance == total * total:  # in integers, since rounding could keep a share from being exactly 1
        return None
    agreed = sum(count for (a, b), count in pairs.items() if a == b)
    return (agreed * total - by_chance) / (total * total - by_chance)


def influences(pairs: Pairs, labels: set[str]) -> dict[tuple[str, str], float]:
    """Return the influence on kappa of a post in each cell, up to a constant.

    This is the term of the cell in the formula of Fleiss, Cohen and Everitt before it is squared. Kappa must be
    defined.
    """
    total = sum(pairs.values())
    rows, columns = _margins(pairs)
    agreed = sum(count for (a, b), count in pairs.items() if a == b) / total
    by_chance = sum(count * columns.get(label, 0) for label, count in rows.items()) / total**2
    beyond_chance = 1 - by_chance

    def influence(a: str, b: str) -> float:
        chance = (columns.get(a, 0) + rows.get(b, 0)) / total
        return ((a == b) * beyond_chance - chance * (1 - agreed)) / beyond_chance**2

    return {(a, b): influence(a, b) for a in labels for b in labels}


def kappa_interval(pairs: Pairs) -> Interval | None:
    """Return the 95 % interval of kappa for large samples.

    It is None if kappa is undefined, and if all labels agree: then the formula gives an error of 0, even for few posts.
    """
    value = kappa(pairs)
    if value is None or value == 1:
        return None
    total = sum(pairs.values())
    each = influences(pairs, {label for pair in pairs for label in pair})
    mean = sum(count * each[pair] for pair, count in pairs.items()) / total
    variance = sum(count * (each[pair] - mean) ** 2 for pair, count in pairs.items()) / total
    return around(value, sqrt(variance / total))


def around(value: float, standard_error: float) -> Interval:
    """Return the 95 % interval of a kappa with this standard error."""
    spread = NORMAL_95 * standard_error
    return max(-1.0, value - spread), min(1.0, value + spread)


def _margins(pairs: Pairs) -> tuple[dict[str, int], dict[str, int]]:
    rows: dict[str, int] = {}
    columns: dict[str, int] = {}
    for (a, b), count in pairs.items():
        rows[a] = rows.get(a, 0) + count
        columns[b] = columns.get(b, 0) + count
    return rows, columns
