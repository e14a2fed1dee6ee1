"""Computes measures from counts: matrices, agreement, and the causes of a difference between two shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date

from streams.compare.comparison import FEW, Agreement, Cause, Change, Matrix
from streams.compare.kappa import Pairs, kappa, kappa_interval
from streams.wilson import wilson

OTHER = "other"
NEGATIVE = "negative"

Cell = tuple[str, str | None, str | None]
"""The state of posts in a group, and their sentiment in A and in B (None if they are not in the group in that run).

The state is `same` or `edited` for posts that are in the group in both runs, `moved` for posts in both runs that are in
the group in only one of them, and `only` for posts that exist in only one run.
"""


def agreement_of(pairs: Pairs) -> Agreement:
    """Return the agreement of two runs on a task with one label per post."""
    posts = sum(pairs.values())
    agreed = sum(count for (a, b), count in pairs.items() if a == b)
    return Agreement(
        posts=posts,
        agreed=agreed,
        share=agreed / posts if posts else None,
        interval=wilson(agreed, posts) if posts else None,
        kappa=kappa(pairs),
        kappa_interval=kappa_interval(pairs),
        few=posts < FEW,
    )


def most_frequent(pairs: Pairs, limit: int) -> list[str]:
    """Return the most frequent labels of both runs together."""
    frequency: Counter[str] = Counter()
    for (a, b), count in pairs.items():
        frequency.update({a: count})
        frequency.update({b: count})
    return sorted(frequency, key=lambda label: (-frequency[label], label))[:limit]


def matrix_of(pairs: Pairs, labels: Iterable[str]) -> Matrix:
    """Return the matrix of these labels, in this order; any other labels are combined as `other`."""
    named = tuple(labels)
    combined: Counter[tuple[str, str]] = Counter()
    for (a, b), count in pairs.items():
        combined[a if a in named else OTHER, b if b in named else OTHER] += count
    if OTHER not in named and any(OTHER in pair for pair in combined):
        named = (*named, OTHER)
    return Matrix(labels=named, counts=tuple(tuple(combined[a, b] for b in named) for a in named))


def explain(day: date, group: str, cells: Mapping[Cell, int]) -> Change:
    """Return the change in the share of negative posts in a group, and its causes, whose effects add up to it.

    Let p and q be the shares of negative posts in A and B among the posts that are in the group in both runs (0 if
    there are none). The difference consists of q - p, which is due to flips, and of the effects of the other posts:
    those only in A move its share away from p, those only in B move its share away from q.
    """
    posts_a = sum(count for (_, a, _), count in cells.items() if a is not None)
    posts_b = sum(count for (_, _, b), count in cells.items() if b is not None)
    negative_a = sum(count for (_, a, _), count in cells.items() if a == NEGATIVE)
    negative_b = sum(count for (_, _, b), count in cells.items() if b == NEGATIVE)
    comparable = bool(posts_a and posts_b)
    share_a = negative_a / posts_a if posts_a else None
    share_b = negative_b / posts_b if posts_b else None
    return Change(
        day=day,
        group=group,
        posts_a=posts_a,
        posts_b=posts_b,
        negative_a=negative_a,
        negative_b=negative_b,
        share_a=share_a,
        share_b=share_b,
        difference=None if share_a is None or share_b is None else share_b - share_a,
        few=max(posts_a, posts_b) < FEW,
        causes=_causes(cells, posts_a, posts_b) if comparable else (),
    )


def _causes(cells: Mapping[Cell, int], posts_a: int, posts_b: int) -> tuple[Cause, ...]:
    common = {cell: count for cell, count in cells.items() if cell[1] is not None and cell[2] is not None}
    both = sum(common.values())
    p = sum(count for (_, a, _), count in common.items() if a == NEGATIVE) / both if both else 0.0
    q = sum(count for (_, _, b), count in common.items() if b == NEGATIVE) / both if both else 0.0
    posts: Counter[str] = Counter()
    effects: dict[str, float] = {}
    for (state, a, b), count in cells.items():
        match a, b:
            case str(), str():
                if (a == NEGATIVE) == (b == NEGATIVE):
                    continue
                kind = "edited" if state == "edited" else f"{a}_to_{b}"
                effect = count * ((b == NEGATIVE) - (a == NEGATIVE)) / both
            case _, None:
                kind = "only_a" if state == "only" else "moved_out"
                effect = -count * ((a == NEGATIVE) - p) / posts_a
            case _:
                kind = "only_b" if state == "only" else "moved_in"
                effect = count * ((b == NEGATIVE) - q) / posts_b
        posts[kind] += count
        effects[kind] = effects.get(kind, 0.0) + effect
    causes = [Cause(kind=kind, posts=posts[kind], effect=effect) for kind, effect in effects.items()]
    return tuple(sorted(causes, key=lambda cause: (-abs(cause.effect), cause.kind)))


def by_size(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Sort the changes by the size of the difference, largest first.

    Groups with few posts, whose shares vary by chance, follow the others. Among each, changes without a difference come
    last.
    """

    def order(change: Change) -> tuple[bool, float, int, date, str]:
        size = -1.0 if change.difference is None else abs(change.difference)
        return (change.few, -size, -(change.posts_a + change.posts_b), change.day, change.group)

    return tuple(sorted(changes, key=order))
