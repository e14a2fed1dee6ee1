"""From counts to measures: matrices, agreement, and what a difference of two shares is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date

from streams.compare.comparison import FEW, Agreement, Cause, Change, Matrix
from streams.compare.kappa import Pairs, kappa, kappa_interval, wilson

OTHER = "other"
NEGATIVE = "negative"

Cell = tuple[str, str | None, str | None]
"""How posts stand in a group: their state, and their sentiment in A and in B (None: not in this run's group).

States: `same` and `edited` for posts that both runs have in the group, `moved` for those that both runs have but only one
in this group, `only` for those that only one run has.
"""


def agreement_of(pairs: Pairs) -> Agreement:
    """How far two runs agree on one label a post."""
    posts = sum(pairs.values())
    agreed = sum(count for (a, b), count in pairs.items() if a == b)
    return Agreement(
        posts=posts,
        agreed=agreed,
        share=agreed / posts if posts else None,
        interval=wilson(agreed, posts),
        kappa=kappa(pairs),
        kappa_interval=kappa_interval(pairs),
        few=posts < FEW,
    )


def most_frequent(pairs: Pairs, limit: int) -> list[str]:
    """The labels that stand most often in either run."""
    often: Counter[str] = Counter()
    for (a, b), count in pairs.items():
        often.update({a: count})
        often.update({b: count})
    return sorted(often, key=lambda label: (-often[label], label))[:limit]


def matrix_of(pairs: Pairs, labels: Iterable[str]) -> Matrix:
    """The counts of these labels in this order, and of all others together as `other` if there are any."""
    named = tuple(labels)
    lumped: Counter[tuple[str, str]] = Counter()
    for (a, b), count in pairs.items():
        lumped[a if a in named else OTHER, b if b in named else OTHER] += count
    if OTHER not in named and any(OTHER in pair for pair in lumped):
        named = (*named, OTHER)
    return Matrix(labels=named, counts=tuple(tuple(lumped[a, b] for b in named) for a in named))


def explain(day: date, group: str, cells: Mapping[Cell, int]) -> Change:
    """The change of the share of negative posts in a group, and its causes; their effects sum up to the difference.

    With p and q the shares of negative in A and in B among the posts that both runs have in the group, the difference is
    q - p, which flips make up, and what the other posts add: those of A pull its share from p, those of B from q. Where
    the runs share no post, p and q count as 0.
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
    """The greatest difference first; then groups of few posts, whose shares move by chance; what cannot be compared is
    the last of each."""

    def order(change: Change) -> tuple[bool, float, int, date, str]:
        size = -1.0 if change.difference is None else abs(change.difference)
        return (change.few, -size, -(change.posts_a + change.posts_b), change.day, change.group)

    return tuple(sorted(changes, key=order))
