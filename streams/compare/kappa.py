"""Agreement of two raters beyond chance, and how sure it is.

Cohen's kappa: J. Cohen, A coefficient of agreement for nominal scales, Educational and Psychological Measurement 20
(1960), 37-46. Its standard error for large samples: J. L. Fleiss, J. Cohen and B. S. Everitt, Large sample standard
errors of kappa and weighted kappa, Psychological Bulletin 72 (1969), 323-327; here as the spread of `influences`, whose
squares sum up to their formula. The interval of a share: E. B. Wilson, Probable inference, the law of succession, and
statistical inference, Journal of the American Statistical Association 22 (1927), 209-212.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

Interval = tuple[float, float]
"""The lowest and the highest value at 95 % confidence."""
Pairs = Mapping[tuple[str, str], int]
"""How often run A gave the first label and run B the second."""

_NORMAL_95 = 1.959963984540054


def wilson(successes: int, of: int) -> Interval | None:
    """The 95 % interval of a share by Wilson; None of nothing."""
    if not of:
        return None
    share, square = successes / of, _NORMAL_95**2
    centre = share + square / (2 * of)
    spread = _NORMAL_95 * sqrt(share * (1 - share) / of + square / (4 * of * of))
    scale = 1 + square / of
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def kappa(pairs: Pairs) -> float | None:
    """Cohen's kappa. None where it has no value: of no posts, and when both runs give every post the same one label."""
    total = sum(pairs.values())
    rows, columns = _margins(pairs)
    by_chance = sum(count * columns.get(label, 0) for label, count in rows.items())
    if by_chance == total * total:  # in whole numbers, since a share may miss 1 by its last bit
        return None
    agreed = sum(count for (a, b), count in pairs.items() if a == b)
    return (agreed * total - by_chance) / (total * total - by_chance)


def influences(pairs: Pairs, labels: set[str]) -> dict[tuple[str, str], float]:
    """What a post in each cell adds to kappa, up to a constant: its share of the sum in the formula of Fleiss, Cohen and
    Everitt before it is squared. Needs a kappa that has a value."""
    total = sum(pairs.values())
    rows, columns = _margins(pairs)
    agreed = sum(count for (a, b), count in pairs.items() if a == b) / total
    by_chance = sum(count * columns.get(label, 0) for label, count in rows.items()) / total**2
    room = 1 - by_chance

    def influence(a: str, b: str) -> float:
        chance = (columns.get(a, 0) + rows.get(b, 0)) / total
        return ((a == b) * room - chance * (1 - agreed)) / room**2

    return {(a, b): influence(a, b) for a in labels for b in labels}


def kappa_interval(pairs: Pairs) -> Interval | None:
    """The 95 % interval of kappa for large samples. None where kappa has no value, and where all labels agree: there the
    formula gives an error of 0, however few the posts."""
    value = kappa(pairs)
    if value is None or value == 1:
        return None
    total = sum(pairs.values())
    each = influences(pairs, {label for pair in pairs for label in pair})
    mean = sum(count * each[pair] for pair, count in pairs.items()) / total
    variance = sum(count * (each[pair] - mean) ** 2 for pair, count in pairs.items()) / total
    return around(value, sqrt(variance / total))


def around(value: float, standard_error: float) -> Interval:
    """The 95 % interval of a kappa with this standard error."""
    spread = _NORMAL_95 * standard_error
    return max(-1.0, value - spread), min(1.0, value + spread)


def _margins(pairs: Pairs) -> tuple[dict[str, int], dict[str, int]]:
    rows: dict[str, int] = {}
    columns: dict[str, int] = {}
    for (a, b), count in pairs.items():
        rows[a] = rows.get(a, 0) + count
        columns[b] = columns.get(b, 0) + count
    return rows, columns
