"""Questions to the lake in SQL: DuckDB over the Parquet files, with the views `posts` and `minutes`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from streams.errors import BadInput
from streams.sinks import lake_views
from streams.sinks.lake_views import select
from streams.sinks.storage import open_lake

_FETCHED_ROWS = 10_000
_MAX_WORDS = 500
"""Characters."""


class Answer(NamedTuple):
    """The columns of an answer and its rows, read as they are asked for."""

    columns: list[str]
    rows: Iterator[tuple[Any, ...]]


def ask(lake: Path | str, sql: str) -> Answer:
    """Runs one query over a folder or the address of an object store.

    Raises BadInput with DuckDB's own words when it cannot, Unavailable or Refused when the lake cannot be read,
    SettingsError when there is none.
    """
    try:
        cursor = select(open_lake(lake), sql)
    except duckdb.Error as error:
        raise _failed(error) from None
    return Answer([column[0] for column in cursor.description or ()], _rows(cursor))


def connect(lake: Path | str) -> duckdb.DuckDBPyConnection:
    """A connection with the views, for those who ask more than one question. Times are in UTC.

    Raises BadInput, Unavailable or Refused when the lake cannot be read, SettingsError when there is none.
    """
    try:
        return lake_views.connect(open_lake(lake))
    except (duckdb.Error, FileNotFoundError) as error:
        raise BadInput(f"the lake cannot be read: {error}") from None


def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    try:
        while rows := cursor.fetchmany(_FETCHED_ROWS):
            yield from rows
    except duckdb.Error as error:
        raise _failed(error) from None


def _failed(error: duckdb.Error) -> BadInput:
    """In DuckDB's words, without its copy of the query below them, and without all of a long text that it repeats."""
    words = " ".join(str(error).partition("\n\nLINE ")[0].split())
    return BadInput(f"the query failed: {words if len(words) <= _MAX_WORDS else words[:_MAX_WORDS] + '…'}")
