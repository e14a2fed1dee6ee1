"""Assembles the comparison of two runs from the counts in the lake and the measures computed from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import sqrt
from pathlib import Path
from typing import Any

from streams.compare.comparison import (
    LABEL_CHANGES,
    LABEL_SETS,
    Change,
    ComparedPosts,
    ComparedRun,
    Comparison,
    Daily,
    LabelComparison,
    LabelSets,
    LanguageAgreement,
    Overlap,
    SentimentComparison,
)
from streams.compare.kappa import Pairs as Counts
from streams.compare.kappa import around, influences, kappa, kappa_interval
from streams.compare.measures import agreement_of, by_size, explain, matrix_of, most_frequent
from streams.compare.reading import Pairs, read_pairs
from streams.contracts import SENTIMENTS, SEVERAL

MAX_LABELS = 12
"""Maximum number of labels with a row and a column of their own in a matrix."""

_YES, _NO = "yes", "no"
_ANSWERS = {_YES, _NO}


def compare(
    lake: Path | str, run_a: str, run_b: str, selection: ComparedPosts | None = None, *, changed_posts: int = 20
) -> Comparison:
    """Compare run B with run A.

    The posts are joined by source and id, in the newest version of each run. Labels are compared only where both runs
    have the same text.

    Args:
        lake: The lake that contains both runs.
        run_a: `live`, or the name of a replay.
        run_b: The run to compare with it.
        selection: The posts to compare; all by default.
        changed_posts: Maximum number of changed posts to return.

    Raises:
        BadInput: A run is not in the lake, or the lake cannot be read.
    """
    selected = selection or ComparedPosts()
    with read_pairs(lake, run_a, run_b, selected) as pairs:
        a, b, overlap = pairs.run(run_a, "a"), pairs.run(run_b, "b"), pairs.overlap()
        sets: dict[str, Any] = {name: _label_sets(pairs, name, overlap.same_text) for name in SEVERAL}
        return Comparison(
            a=a,
            b=b,
            selection=selected,
            overlap=overlap,
            warnings=tuple(_warnings(a, b, overlap)),
            sentiment=_sentiment(pairs),
            language=_labels(pairs.labels("language")),
            campaign=_labels(pairs.labels("campaign")),
            daily=Daily(
                all=_changes(pairs, "all"), hashtags=_changes(pairs, "hashtag"), languages=_changes(pairs, "language")
            ),
            changed=pairs.changed(changed_posts),
            **sets,
        )


def _warnings(a: ComparedRun, b: ComparedRun, overlap: Overlap) -> list[str]:
    warnings = [
        f"run {run.name} was made by {len(run.models)} models, so its labels are not those of a single model"
        for run in (a, b)
        if len(run.models) > 1
    ]
    if not overlap.same_text:
        warnings.append("the runs share no posts with the same text, so no labels can be compared")
    elif overlap.edited:
        warnings.append(
            f"{overlap.edited:,} posts have a different text in each run; their labels are not compared, "
            "and the daily numbers list them separately"
        )
    return warnings


def _sentiment(pairs: Pairs) -> SentimentComparison:
    by_language = pairs.sentiments()
    overall: Counter[tuple[str, str]] = Counter()
    for counts in by_language.values():
        overall.update(counts)
    languages = [LanguageAgreement(language=name, agreement=agreement_of(found)) for name, found in by_language.items()]
    return SentimentComparison(
        matrix=matrix_of(overall, SENTIMENTS),
        agreement=agreement_of(overall),
        by_language=tuple(sorted(languages, key=lambda each: (-each.agreement.posts, each.language))),
        mean_distance=pairs.mean_distance(),
    )


def _labels(counts: Counts) -> LabelComparison:
    return LabelComparison(matrix=matrix_of(counts, most_frequent(counts, MAX_LABELS)), agreement=agreement_of(counts))


def _label_sets(pairs: Pairs, name: str, posts: int) -> LabelSets:
    tables = {label: _as_answers(cells, posts) for label, cells in pairs.sets(name).items()}
    changes = [
        LABEL_CHANGES[name](
            label=label,
            kept=table[_YES, _YES],
            lost=table[_YES, _NO],
            gained=table[_NO, _YES],
            kappa=kappa(table),
            kappa_interval=kappa_interval(table),
        )
        for label, table in tables.items()
    ]
    kappas = [change.kappa for change in changes if change.kappa is not None]
    mean = sum(kappas) / len(kappas) if kappas else None
    return LABEL_SETS[name](
        posts=posts,
        agreed=pairs.same_sets(name),
        mean_kappa=mean,
        mean_kappa_interval=_mean_interval(pairs, name, tables, posts, mean),
        labels=tuple(sorted(changes, key=lambda each: (-(each.lost + each.gained), -each.kept, each.label))),
    )


def _as_answers(cells: dict[tuple[bool, bool], int], posts: int) -> dict[tuple[str, str], int]:
    table = {(_YES, _YES): cells.get((True, True), 0)}
    table[_YES, _NO], table[_NO, _YES] = cells.get((True, False), 0), cells.get((False, True), 0)
    return table | {(_NO, _NO): posts - sum(table.values())}


def _mean_interval(
    pairs: Pairs, name: str, tables: Mapping[str, Counts], posts: int, mean: float | None
) -> tuple[float, float] | None:
    """Return the 95 % interval of the mean kappa of the labels; None if the mean is undefined or 1.

    The influence of a post on the mean is the mean of its influences on the kappa of each label. The variance of these
    influences over all posts gives the standard error of the mean, even if the labels are correlated.
    """
    if mean is None or mean == 1:
        return None
    defined = {label: table for label, table in tables.items() if kappa(table) is not None}
    weights = {}
    for label, table in defined.items():
        each = influences(table, _ANSWERS)
        for a, b in ((_YES, _YES), (_YES, _NO), (_NO, _YES)):
            weights[label, a == _YES, b == _YES] = (each[a, b] - each[_NO, _NO]) / len(defined)
    return around(mean, sqrt(pairs.variance(name, weights) / posts))


def _changes(pairs: Pairs, dimension: str) -> tuple[Change, ...]:
    return by_size(explain(day, group, cells) for (day, group), cells in pairs.cells(dimension).items())
