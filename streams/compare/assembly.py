"""Two runs of the lake, compared: what is read, put together with what is measured."""

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
"""So many labels have a row and a column of their own in a matrix."""

_YES, _NO = "yes", "no"
_ANSWERS = {_YES, _NO}


def compare(
    lake: Path | str, run_a: str, run_b: str, selection: ComparedPosts | None = None, *, changed_posts: int = 20
) -> Comparison:
    """Compares run B with run A. Raises BadInput for a run that is not in the lake.

    The posts are joined by source and id; each run has the newest version of a post. Labels are compared where both runs
    have the same text.
    """
    chosen = selection or ComparedPosts()
    with read_pairs(lake, run_a, run_b, chosen) as pairs:
        a, b, overlap = pairs.run(run_a, "a"), pairs.run(run_b, "b"), pairs.overlap()
        return Comparison(
            a=a,
            b=b,
            selection=chosen,
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
    found = [
        f"run {run.name} was made by {len(run.models)} models: its labels are no single model's"
        for run in (a, b)
        if len(run.models) > 1
    ]
    if not overlap.same_text:
        found.append("the runs share no post with the same text: no labels can be compared")
    elif overlap.edited:
        found.append(
            f"{overlap.edited:,} posts have another text in each run: their labels are not compared, "
            "and in the daily numbers they stand apart"
        )
    return found


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
    found = {(_YES, _YES): cells.get((True, True), 0)}
    found[_YES, _NO], found[_NO, _YES] = cells.get((True, False), 0), cells.get((False, True), 0)
    return found | {(_NO, _NO): posts - sum(found.values())}


def _mean_interval(
    pairs: Pairs, tables: Mapping[str, Counts], posts: int, mean: float | None
) -> tuple[float, float] | None:
    """A post's influence on the mean is the mean of its influences on each topic's kappa; their spread over all posts
    gives the error of the mean, whatever the topics have to do with each other."""
    if mean is None or mean == 1:
        return None
    valued = {topic: table for topic, table in tables.items() if kappa(table) is not None}
    weights = {}
    for topic, table in valued.items():
        each = influences(table, _ANSWERS)
        for a, b in ((_YES, _YES), (_YES, _NO), (_NO, _YES)):
            weights[topic, a == _YES, b == _YES] = (each[a, b] - each[_NO, _NO]) / len(valued)
    return around(mean, sqrt(pairs.topic_variance(weights) / posts))


def _changes(pairs: Pairs, dimension: str) -> tuple[Change, ...]:
    return by_size(explain(day, group, cells) for (day, group), cells in pairs.cells(dimension).items())
