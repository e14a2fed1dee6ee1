"""What a spike has more of than its baseline.

The score is the log-odds ratio with an informative Dirichlet prior (Monroe, Colaresi and Quinn, "Fightin' Words", 2008), in
standard deviations. The prior is what spike and baseline have together, with the weight of a few posts: a name that came
twice proves nothing, and one that never came before does not divide by zero.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from streams.contracts import Driver

PRIOR_POSTS = 20.0
"""The weight of the prior."""
MIN_POSTS = 3
MIN_SCORE = 2.5
"""Of some hundred names that are compared, one or two get here by chance; the first ones are shown."""
MIN_LIFT = 1.3
"""A surely larger share that is hardly larger explains nothing."""
_HALF = 0.5
_SAME_POSTS = 0.8
_LONG_WORD = 4


def score(posts: int, of: int, before: int, of_before: int) -> float:
    """How surely a name is more frequent in `posts` of `of` than in `before` of `of_before`."""
    prior = PRIOR_POSTS * (posts + before) / max(of + of_before, 1)
    rest = PRIOR_POSTS - prior + _HALF
    prior += _HALF
    with_it, without = posts + prior, of - posts + rest
    with_it_before, without_before = before + prior, of_before - before + rest
    difference = math.log(with_it / without) - math.log(with_it_before / without_before)
    variance = 1 / with_it + 1 / without + 1 / with_it_before + 1 / without_before
    return difference / math.sqrt(variance)


def drivers(spike: Mapping[str, int], of: int, before: Mapping[str, int], of_before: int, limit: int) -> list[Driver]:
    """At most `limit` names that are over-represented, strongest first. Counts above `of` are taken for `of`."""
    found = []
    for name, count in spike.items():
        posts, earlier = min(count, of), min(before.get(name, 0), of_before)
        if posts < MIN_POSTS:
            continue
        share, baseline = posts / of, earlier / of_before if of_before else 0.0
        certainty = score(posts, of, earlier, of_before)
        if certainty >= MIN_SCORE and share >= MIN_LIFT * baseline:
            found.append(Driver(name=name, posts=posts, share=share, baseline=baseline, score=round(certainty, 2)))
    found.sort(key=lambda driver: (-driver.score, driver.name))
    return found[:limit]


def distinct(found: Sequence[Driver], limit: int, texts: Collection[str] = ()) -> list[Driver]:
    """One term for each thing that is said: of those in nearly the same posts, one inside the other (rex, #rex) or
    together in one of the `texts` (casefolded), a hashtag stays, else the strongest that is no short word.

    A text that is reposted brings all its words along.
    """
    kept: list[Driver] = []
    for driver in found:
        same = next((n for n, other in enumerate(kept) if _says_the_same(driver, other, texts)), None)
        if same is None:
            if len(kept) < limit:
                kept.append(driver)
        elif _rank(driver) > _rank(kept[same]):
            kept[same] = driver
    return kept


def _says_the_same(driver: Driver, other: Driver, texts: Collection[str]) -> bool:
    fewer, more = sorted((driver.posts, other.posts))
    if fewer < _SAME_POSTS * more:
        return False
    a, b = driver.name.removeprefix("#"), other.name.removeprefix("#")
    return a in b or b in a or any(a in text and b in text for text in texts)


def _rank(driver: Driver) -> int:
    return 2 if driver.name.startswith("#") else int(len(driver.name) >= _LONG_WORD)


def most_frequent(spike: Counter[str], of: int, before: Counter[str], of_before: int, limit: int) -> list[Driver]:
    """What the baseline was mostly made of, beside what is left of it."""
    return [
        Driver(
            name=name,
            posts=min(spike[name], of),
            share=min(spike[name] / of, 1.0) if of else 0.0,
            baseline=min(count / of_before, 1.0),
            score=0.0,
        )
        for name, count in sorted(before.items(), key=lambda item: (-item[1], item[0]))[:limit]
        if of_before
    ]
