"""Reads two runs from the lake; DuckDB joins and counts them, so that Python sees only counts and the top posts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from streams.compare.comparison import ChangedPost, ComparedPosts, ComparedRun, Model, Overlap, PostLabels
from streams.compare.measures import Cell
from streams.contracts import SEVERAL
from streams.errors import BadInput
from streams.sinks.lake.query import connect

MAX_HASHTAGS = 50
"""Maximum number of hashtags with daily numbers; the shares of rarer ones, with a few posts, would be meaningless."""

_LISTS = ", ".join(f"coalesce(list_sort(list_distinct({name})), []) as {name}" for name in SEVERAL)
_SIDE = f"""
select source, id, text, created_at, cast(created_at as date) as day,
    coalesce(list_distinct(hashtags), []) as hashtags, language,
    sentiment, negative, neutral, positive, {_LISTS}, coalesce(campaign_topic, '') as campaign,
    {{'name': model_name, 'version': model_version, 'runtime': model_runtime, 'precision': model_precision}} as model
from posts
where run = ? and (?::timestamptz is null or created_at >= ?) and (?::timestamptz is null or created_at < ?)
    and (?::varchar is null or list_contains(hashtags, ?))
"""  # noqa: S608
_LISTS_OF_BOTH = ", ".join(f"{side}.{name} as {name}_{side}" for side in ("a", "b") for name in SEVERAL)
_PAIRS = f"""
create temp table pairs as
with a as ({_SIDE}), b as ({_SIDE})
select
    coalesce(a.source, b.source) as source, coalesce(a.id, b.id) as id, coalesce(a.text, b.text) as text,
    coalesce(a.created_at, b.created_at) as created_at, a.id is not null as in_a, b.id is not null as in_b,
    a.text is not null and b.text is not null and a.text != b.text as edited,
    a.day as day_a, a.hashtags as hashtags_a, a.language as language_a, a.sentiment as sentiment_a,
    a.negative as negative_a, a.neutral as neutral_a, a.positive as positive_a,
    a.campaign as campaign_a, a.model as model_a,
    b.day as day_b, b.hashtags as hashtags_b, b.language as language_b, b.sentiment as sentiment_b,
    b.negative as negative_b, b.neutral as neutral_b, b.positive as positive_b,
    b.campaign as campaign_b, b.model as model_b, {_LISTS_OF_BOTH},
    (abs(a.negative - b.negative) + abs(a.neutral - b.neutral) + abs(a.positive - b.positive)) / 2 as distance
from a full join b on a.source = b.source and a.id = b.id
"""  # noqa: S608
_COMPARED = "create view compared as select * from pairs where in_a and in_b and not edited"

_GROUPS = {
    "all": "['']",
    "language": "[language_{side}]",
    "hashtag": "if(len(hashtags_{side}) = 0, [''], hashtags_{side})",
}
_KEYS = "if(in_{side}, [{{'day': day_{side}, 'name': name}} for name in {names}], [])"
_CELLS = """
with keyed as (select *, {keys_a} as keys_a, {keys_b} as keys_b from pairs),
members as (select *, unnest(list_distinct(keys_a || keys_b)) as key from keyed),
placed as (select *, list_contains(keys_a, key) as of_a, list_contains(keys_b, key) as of_b from members)
select key.day, key.name,
    case when of_a and of_b then if(edited, 'edited', 'same') when in_a and in_b then 'moved' else 'only' end,
    if(of_a, sentiment_a, null), if(of_b, sentiment_b, null), count(*)
from placed {where} group by all
"""
_FREQUENT_HASHTAGS = f"""
where key.name in (
    select name from (
        select unnest(list_distinct(if(in_a, {_GROUPS["hashtag"].format(side="a")}, [])
            || if(in_b, {_GROUPS["hashtag"].format(side="b")}, []))) as name
        from pairs
    ) group by name order by count(*) desc, name limit {MAX_HASHTAGS}
)
"""  # noqa: S608

_LABEL_CELLS = """
select label, list_contains({name}_a, label) as of_a, list_contains({name}_b, label) as of_b, {columns}
from (select *, unnest(list_distinct({name}_a || {name}_b)) as label from compared)
"""


class Pairs:
    """The posts of both runs, joined by source and id; created by `read_pairs`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def run(self, name: str, side: str) -> ComparedRun:
        """Return the run on side `a` or `b`, with its name and models."""
        rows = self._rows(
            f"select model_{side}.name, model_{side}.version, model_{side}.runtime, model_{side}.precision, count(*) "  # noqa: S608
            f"from pairs where in_{side} group by all order by 5 desc, 1, 2, 3, 4"
        )
        models = tuple(Model(name=n, version=v, runtime=r, precision=p, posts=count) for n, v, r, p, count in rows)
        return ComparedRun(name=name, posts=sum(model.posts for model in models), models=models)

    def overlap(self) -> Overlap:
        """Return how many posts are in both runs, and how many in only one."""
        ((both, edited, only_a, only_b),) = self._rows(
            "select count(*) filter (in_a and in_b), count(*) filter (in_a and in_b and edited), "
            "count(*) filter (not in_b), count(*) filter (not in_a) from pairs"
        )
        return Overlap(both=both, same_text=both - edited, edited=edited, only_a=only_a, only_b=only_b)

    def labels(self, column: str) -> dict[tuple[str, str], int]:
        """Return the number of posts for each pair of labels in A and B; `column` is `language` or `campaign`."""
        query = f"select {column}_a, {column}_b, count(*) from compared group by all"  # noqa: S608
        return {(a, b): count for a, b, count in self._rows(query)}

    def sentiments(self) -> dict[str, dict[tuple[str, str], int]]:
        """Return the number of posts for each pair of sentiments, by the language in A."""
        counts: dict[str, dict[tuple[str, str], int]] = {}
        query = "select language_a, sentiment_a, sentiment_b, count(*) from compared group by all"
        for language, a, b, count in self._rows(query):
            counts.setdefault(language, {})[a, b] = count
        return counts

    def mean_distance(self) -> float | None:
        """Return the mean total variation distance of the sentiment probabilities; None if no posts are compared."""
        ((mean,),) = self._rows("select avg(distance) from compared")
        return None if mean is None else float(mean)

    def same_sets(self, name: str) -> int:
        """Return the number of posts with the same set of labels in both runs; `name` is an answer in `SEVERAL`."""
        ((same,),) = self._rows(f"select count(*) from compared where {name}_a = {name}_b")  # noqa: S608
        return int(same)

    def sets(self, name: str) -> dict[str, dict[tuple[bool, bool], int]]:
        """Return, for each label, how many posts have it in A and in B; posts that have it in neither are left out."""
        counts: dict[str, dict[tuple[bool, bool], int]] = {}
        for label, a, b, count in self._rows(_LABEL_CELLS.format(name=name, columns="count(*)") + " group by all"):
            counts.setdefault(label, {})[a, b] = count
        return counts

    def variance(self, name: str, weights: dict[tuple[str, bool, bool], float]) -> float:
        """Return the variance, over all posts, of the sum of the weights of a post's labels.

        The sum is 0 for a post without labels.

        Args:
            name: An answer in `SEVERAL`.
            weights: The weight of each label, depending on whether the post has it in A and in B.
        """
        self._connection.execute("create or replace temp table weights (label varchar, a bool, b bool, weight double)")
        self._connection.executemany(
            "insert into weights values (?, ?, ?, ?)", [(*cell, weight) for cell, weight in weights.items()]
        )
        cells = _LABEL_CELLS.format(name=name, columns="source, id")
        ((mean, square),) = self._rows(
            "with sums as (select sum(weight) as total from "  # noqa: S608
            f"({cells}) cell join weights using (label) where of_a = a and of_b = b group by source, id), "
            "posts_compared as (select count(*) as number from compared) "
            "select coalesce(sum(total) / any_value(number), 0), coalesce(sum(total * total) / any_value(number), 0) "
            "from sums, posts_compared"
        )
        return max(0.0, float(square) - float(mean) ** 2)

    def cells(self, dimension: str) -> dict[tuple[date, str], dict[Cell, int]]:
        """Return the counts of posts by day and group; `dimension` is `all`, `language` or `hashtag`."""
        keys = {
            f"keys_{side}": _KEYS.format(side=side, names=_GROUPS[dimension].format(side=side)) for side in ("a", "b")
        }
        where = _FREQUENT_HASHTAGS if dimension == "hashtag" else ""
        counts: dict[tuple[date, str], dict[Cell, int]] = {}
        for day, group, state, a, b, count in self._rows(_CELLS.format(**keys, where=where)):
            counts.setdefault((day, group), {})[state, a, b] = count
        return counts

    def changed(self, limit: int) -> tuple[ChangedPost, ...]:
        """Return the posts whose sentiment probabilities differ most, at most `limit` of them."""
        rows = self._rows(
            "select source, id, created_at, text, distance, language_a, sentiment_a, negative_a, neutral_a, positive_a, "
            "language_b, sentiment_b, negative_b, neutral_b, positive_b from compared where distance > 0 "
            "order by distance desc, source, id limit ?",
            [limit],
        )
        return tuple(
            ChangedPost(
                source=source,
                id=post,
                created_at=at,
                text=text,
                distance=distance,
                a=_post_labels(ab[:5]),
                b=_post_labels(ab[5:]),
            )
            for source, post, at, text, distance, *ab in rows
        )

    def _rows(self, query: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._connection.execute(query, parameters or []).fetchall()
        return rows


@contextmanager
def read_pairs(lake: Path | str, run_a: str, run_b: str, selection: ComparedPosts) -> Iterator[Pairs]:
    """Join two runs of the lake.

    Raises:
        BadInput: A run is not in the lake (the message names those that are), or DuckDB fails.
    """
    with connect(lake) as connection:
        try:
            connection.execute(_PAIRS, [*_parameters(run_a, selection), *_parameters(run_b, selection)])
            connection.execute(_COMPARED)
            for run, side in ((run_a, "a"), (run_b, "b")):
                _check_run_exists(connection, run, side)
            yield Pairs(connection)
        except duckdb.Error as error:
            raise BadInput(f"the runs cannot be compared: {error}") from None


def _check_run_exists(connection: duckdb.DuckDBPyConnection, run: str, side: str) -> None:
    if connection.execute(f"select 1 from pairs where in_{side} limit 1").fetchone() is not None:  # noqa: S608
        return
    # no posts were selected: either the run does not exist, or nothing in it matches the selection
    runs = [name for (name,) in connection.execute("select run from runs order by 1").fetchall()]
    if run not in runs:
        hint = f"available runs: {', '.join(runs)}" if runs else "the lake is empty"
        raise BadInput(f"there is no run {run!r} in the lake; {hint}")


def _parameters(run: str, selection: ComparedPosts) -> list[str | datetime | None]:
    times = [selection.since, selection.since, selection.until, selection.until]
    return [run, *times, selection.hashtag, selection.hashtag]


def _post_labels(columns: list[Any]) -> PostLabels:
    language, sentiment, negative, neutral, positive = columns
    return PostLabels(language=language, sentiment=sentiment, negative=negative, neutral=neutral, positive=positive)
