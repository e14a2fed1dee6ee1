"""Assembles the comparison of two runs from the counts in the lake and the measures computed from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import sqrt
from pathlib import Path

from streams.compare.comparison import (
    Change,
    ComparedPosts,
    ComparedRun,
    Comparison,
    Daily,
    LabelComparison,
    LanguageAgreement,
    Overlap,
    SentimentComparison,
    TopicChange,
    Topics,
)
from streams.compare.kappa import Pairs as Counts
from streams.compare.kappa import around, influences, kappa, kappa_interval
from streams.compare.measures import agreement_of, by_size, explain, matrix_of, most_frequent
from streams.compare.reading import Pairs, read_pairs
from streams.contracts import SENTIMENTS

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
        return Comparison(
            a=a,
            b=b,
            selection=selected,
            overlap=overlap,
            warnings=tuple(_warnings(a, b, overlap)),
            sentiment=_sentiment(pairs),
            language=_labels(pairs.labels("language")),
            topics=_topics(pairs, overlap.same_text),
            campaign=_labels(pairs.labels("campaign")),
            daily=Daily(
                all=_changes(pairs, "all"), hashtags=_changes(pairs, "hashtag"), languages=_changes(pairs, "language")
            ),
            changed=pairs.changed(changed_posts),
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


def _topics(pairs: Pairs, posts: int) -> Topics:
    tables = {topic: _as_answers(cells, posts) for topic, cells in pairs.topics().items()}
    changes = [
        TopicChange(
            topic=topic,
            kept=table[_YES, _YES],
            lost=table[_YES, _NO],
            gained=table[_NO, _YES],
            kappa=kappa(table),
            kappa_interval=kappa_interval(table),
        )
        for topic, table in tables.items()
    ]
    kappas = [change.kappa for change in changes if change.kappa is not None]
    mean = sum(kappas) / len(kappas) if kappas else None
    return Topics(
        posts=posts,
        agreed=pairs.same_topics(),
        mean_kappa=mean,
        mean_kappa_interval=_mean_interval(pairs, tables, posts, mean),
        topics=tuple(sorted(changes, key=lambda each: (-(each.lost + each.gained), -each.kept, each.topic))),
    )


def _as_answers(cells: dict[tuple[bool, bool], int], posts: int) -> dict[tuple[str, str], int]:
    table = {(_YES, _YES): cells.get((True, True), 0)}
    table[_YES, _NO], table[_NO, _YES] = cells.get((True, False), 0), cells.get((False, True), 0)
    return table | {(_NO, _NO): posts - sum(table.values())}


def _mean_interval(
    pairs: Pairs, tables: Mapping[str, Counts], posts: int, mean: float | None
) -> tuple[float, float] | None:
    """Return the 95 % interval of the mean kappa of the topics; None if the mean is undefined or 1.

    The influence of a post on the mean is the mean of its influences on the kappa of each topic. The variance of these
    influences over all posts gives the standard error of the mean, even if the topics are correlated.
    """
    if mean is None or mean == 1:
        return None
    defined = {topic: table for topic, table in tables.items() if kappa(table) is not None}
    weights = {}
    for topic, table in defined.items():
        each = influences(table, _ANSWERS)
        for a, b in ((_YES, _YES), (_YES, _NO), (_NO, _YES)):
            weights[topic, a == _YES, b == _YES] = (each[a, b] - each[_NO, _NO]) / len(defined)
    return around(mean, sqrt(pairs.topic_variance(weights) / posts))


def _changes(pairs: Pairs, dimension: str) -> tuple[Change, ...]:
    return by_size(explain(day, group, cells) for (day, group), cells in pairs.cells(dimension).items())
