from __future__ import annotations

import json
import math
from typing import Any

import duckdb
import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from hypothesis import given
from hypothesis import strategies as st

from deploy.grafana.boards.queries import (
    POSTGRES,
    PROMETHEUS,
    as_html,
    bucket,
    prom,
    shown,
    sql,
    wilson_prom,
    wilson_sql,
)
from streams.wilson import wilson
from tests.helpers.grafana import drawn

CASES = [(0, 1), (0, 40), (1, 3), (9, 41), (62, 120), (120, 120)]


def test_a_query_for_postgresql() -> None:
    assert json.loads(JSONEncoder().encode(sql(" select 1\n", series=True, ref="Posts").build())) == {
        "datasource": json.loads(JSONEncoder().encode(POSTGRES)),
        "editorMode": "code",
        "format": "time_series",
        "rawQuery": True,
        "rawSql": "select 1",
        "refId": "Posts",
    }
    assert drawn(sql("select 1"))["format"] == "table"


def test_a_query_for_prometheus() -> None:
    course, now = drawn(prom("up", "all")), drawn(prom("up", instant=True, ref="B"))
    assert (course["expr"], course["range"], course["legendFormat"], course["refId"]) == ("up", True, "all", "A")
    assert (now["instant"], now["format"], now["refId"]) == (True, "table", "B")
    assert drawn(prom("up"))["legendFormat"] == "__auto"
    assert course["datasource"] == json.loads(JSONEncoder().encode(PROMETHEUS))


@pytest.mark.parametrize(("negative", "posts"), CASES)
@pytest.mark.parametrize(("index", "side"), list(enumerate(("low", "high"))))
def test_bounds_match_the_wilson_interval(negative: int, posts: int, index: int, side: Any) -> None:
    expected = pytest.approx(wilson(negative, posts)[index], abs=1e-5)
    assert duckdb.execute(f"select {wilson_sql(str(negative), str(posts), side)}").fetchall() == [(expected,)]
    functions = {
        "sqrt": math.sqrt,
        "clamp_min": max,
        "clamp": lambda value, low, high: min(max(value, low), high),
    }
    assert eval(wilson_prom(str(negative), str(posts), side), functions) == expected


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_an_annotation_has_no_markup(text: str) -> None:
    [(escaped,)] = duckdb.execute(f"select {as_html('$1')}", [text]).fetchall()
    assert not set("<>") & set(escaped)
    assert escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == text


def test_a_text_is_made_harmless_before_it_is_cut() -> None:
    written = shown("text", 50)
    assert written.startswith("left(regexp_replace(regexp_replace(text, ")
    assert written.endswith(", 50)")
    assert shown("text").endswith(", 280)")


def test_a_bucket_has_the_length_of_its_variable() -> None:
    assert bucket("created_at") == "date_bin('${bucket}', created_at, timestamptz '2000-01-01 00:00:00+00')"
