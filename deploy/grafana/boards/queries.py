"""Queries for Prometheus and PostgreSQL, and the parts that several of them share."""

from __future__ import annotations

from typing import Literal

from grafana_foundation_sdk.builders.prometheus import Dataquery as PrometheusBuilder
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="${prometheus}")
POSTGRES = DataSourceRef(type_val="grafana-postgresql-datasource", uid="${postgres}")

# for a 95 % Wilson interval: z, its square, and half and a quarter of that
_Z, _Z2, _Z2_HALF, _Z2_QUARTER = "1.96", "3.8416", "1.9208", "0.9604"

Side = Literal["low", "high"]

# dashboards show no control or bidirectional characters, and no towers of combining marks
_STEERING = r"[\u0001-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]"
_MARKS = r"[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]"

HASHTAGS = "(hashtags && array[${hashtag:sqlstring}] or 'other' in (${hashtag:sqlstring}))"
"""Condition on the chosen hashtags; `other` means hashtags without a label of their own, so it matches every post."""


class SqlQuery(Dataquery):
    """A query for PostgreSQL, for which the SDK has no class."""

    def __init__(self, sql: str, ref_id: str, format_: str) -> None:
        self._sql = sql
        self._ref_id = ref_id
        self._format = format_

    def to_json(self) -> dict[str, object]:
        return {
            "datasource": POSTGRES,
            "editorMode": "code",
            "format": self._format,
            "rawQuery": True,
            "rawSql": self._sql,
            "refId": self._ref_id,
        }


class _Sql(Builder[Dataquery]):
    def __init__(self, query: SqlQuery) -> None:
        self._query = query

    def build(self) -> Dataquery:
        return self._query


def sql(query: str, *, ref: str = "A", series: bool = False) -> Builder[Dataquery]:
    """Build a query for a table, or with `series` for a time series (columns `time`, optionally `metric`, and values)."""
    return _Sql(SqlQuery(query.strip(), ref, "time_series" if series else "table"))


def prom(expression: str, legend: str = "", *, ref: str = "A", instant: bool = False) -> Builder[Dataquery]:
    """Build a query for values over time, or with `instant` for the current value."""
    query = PrometheusBuilder().datasource(PROMETHEUS).expr(expression).ref_id(ref)
    if instant:
        return query.instant().format(PromQueryFormat.TABLE)
    return query.range().legend_format(legend or "__auto")


def wilson_prom(negative: str, posts: str, side: Side) -> str:
    """Return PromQL for a bound of the 95 % interval of a share; it has no result where there are no posts."""
    sign = "-" if side == "low" else "+"
    spread = f"sqrt(clamp_min({negative} * ({posts} - {negative}) / {posts}, 0) + {_Z2_QUARTER})"
    return f"clamp(({negative} + {_Z2_HALF} {sign} {_Z} * {spread}) / ({posts} + {_Z2}), 0, 1)"


def wilson_sql(negative: str, posts: str, side: Side) -> str:
    """Return SQL for a bound of the 95 % interval of a share."""
    sign = "-" if side == "low" else "+"
    spread = f"sqrt({negative}::float8 * ({posts} - {negative}) / nullif({posts}, 0) + {_Z2_QUARTER})"
    return f"greatest(0, least(1, ({negative} + {_Z2_HALF} {sign} {_Z} * {spread}) / ({posts} + {_Z2})))"


def shown(text: str, characters: int = 280) -> str:
    """Return SQL that makes a post's text safe to show: short, on one line, without control, bidirectional or stacked marks."""
    plain = f"regexp_replace({text}, '{_STEERING}', ' ', 'g')"
    return f"left(regexp_replace({plain}, '({_MARKS}{{3}}){_MARKS}+', '\\1', 'g'), {characters})"


def as_html(text: str) -> str:
    """Return SQL that escapes a text for an annotation, which Grafana interprets as HTML."""
    return f"replace(replace(replace({text}, '&', '&amp;'), '<', '&lt;'), '>', '&gt;')"


def each(column: str, name: str) -> str:
    """Return SQL for the posts with each distinct element of a list as the column `name`."""
    return f"posts cross join lateral (select distinct unnest({column}) as {name}) listed"


def bucket(column: str) -> str:
    """Return SQL for the start of the time bucket; the variable `bucket` has its length."""
    return f"date_bin('${{bucket}}', {column}, timestamptz '2000-01-01 00:00:00+00')"
