"""Finds the names that are over-represented in a spike compared with its baseline.

The score is the log-odds ratio with an informative Dirichlet prior (Monroe, Colaresi and Quinn, "Fightin' Words",
2008), in standard deviations. The prior is the frequency in spike and baseline together, with the weight of a few posts:
a name that occurs twice proves nothing, and a new name does not cause a division by zero.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from streams.contracts import Driver

PRIOR_POSTS = 20.0
"""Weight of the prior, in posts."""
MIN_POSTS = 3
MIN_SCORE = 2.5
"""Of a few hundred names compared, one or two reach this by chance; only the strongest are shown."""
MIN_LIFT = 1.3
"""Minimum ratio of the shares: an increase that is certain but small explains nothing."""
_HALF = 0.5
_SAME_POSTS = 0.8
_LONG_WORD = 4


def score(posts: int, of: int, before: int, of_before: int) -> float:
    """Return, in standard deviations, how much more frequent `posts` of `of` is than `before` of `of_before`."""
    prior = PRIOR_POSTS * (posts + before) / max(of + of_before, 1)
    rest = PRIOR_POSTS - prior + _HALF
    prior += _HALF
    with_it, without = posts + prior, of - posts + rest
    with_it_before, without_before = before + prior, of_before - before + rest
    difference = math.log(with_it / without) - math.log(with_it_before / without_before)
    variance = 1 / with_it + 1 / without + 1 / with_it_before + 1 / without_before
    return difference / math.sqrt(variance)


def drivers(spike: Mapping[str, int], of: int, before: Mapping[str, int], of_before: int, limit: int) -> list[Driver]:
    """Return at most `limit` over-represented names, strongest first. Counts above `of` are treated as `of`."""
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
    """Return at most `limit` terms, without terms that mean the same: a reposted text brings in all its words.

    Two terms mean the same if they occur in about the same number of posts, and one contains the other (rex, #rex) or
    both occur in one of the `texts` (casefolded). Of these, a hashtag is kept, otherwise the strongest term that is not
    a short word.
    """
    kept: list[Driver] = []
    for driver in found:
        same = next((n for n, other in enumerate(kept) if _is_same(driver, other, texts)), None)
        if same is None:
            if len(kept) < limit:
                kept.append(driver)
        elif _rank(driver) > _rank(kept[same]):
            kept[same] = driver
    return kept


def _is_same(driver: Driver, other: Driver, texts: Collection[str]) -> bool:
    fewer, more = sorted((driver.posts, other.posts))
    if fewer < _SAME_POSTS * more:
        return False
    a, b = driver.name.removeprefix("#"), other.name.removeprefix("#")
    return a in b or b in a or any(a in text and b in text for text in texts)


def _rank(driver: Driver) -> int:
    return 2 if driver.name.startswith("#") else int(len(driver.name) >= _LONG_WORD)


def most_frequent(spike: Counter[str], of: int, before: Counter[str], of_before: int, limit: int) -> list[Driver]:
    """Return the most frequent names of the baseline, with the posts and share they still have in the spike."""
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
