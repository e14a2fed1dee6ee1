"""Questions to the lake in SQL: DuckDB over the Parquet files, with the views `posts` and `minutes`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from streams.errors import BadInput
from streams.sinks.lake import views
from streams.sinks.lake.opening import open_lake
from streams.sinks.lake.views import select

_MORE = "use --unlocked to do more than read the lake"
_FETCHED_ROWS = 10_000
_MAX_WORDS = 500
"""Characters."""


class QueryResult(NamedTuple):
    """The columns of an answer, each with a name of its own, and its rows, read as they are asked for."""

    columns: list[str]
    rows: Iterator[tuple[Any, ...]]


def ask(lake: Path | str, sql: str, *, unlocked: bool = False) -> QueryResult:
    """Runs one query over a folder or the address of an object store.

    A query reads the lake and nothing else, and writes nothing. Unlocked, it is any SQL that DuckDB takes, which can read
    and write whatever this process can. Raises BadInput with DuckDB's own words when it cannot be answered, Unavailable or
    Refused when the lake cannot be read, SettingsError when there is none.
    """
    storage = open_lake(lake)
    try:
        sql.encode()
    except UnicodeEncodeError:
        raise BadInput("the query failed: it is not UTF-8") from None
    try:
        statements = duckdb.extract_statements(sql)
        if not statements:
            raise BadInput("the query is empty")
        if unlocked:
            cursor = select(storage, sql, unlocked=True)
        elif [statement.type for statement in statements] == [duckdb.StatementType.SELECT]:
            # takes nothing but a query that reads, also where a WITH clause could write
            cursor = select(storage, "from query(?)", [sql])
        else:
            raise BadInput(f"a query must be a single read-only statement, such as SELECT, FROM or DESCRIBE; {_MORE}")
    except duckdb.Error as error:
        raise _failed(error) from None
    return QueryResult(_distinct([column[0] for column in cursor.description or ()]), _rows(cursor))


def connect(lake: Path | str) -> duckdb.DuckDBPyConnection:
    """A connection with the views, for those who ask more than one question. Times are in UTC.

    Raises BadInput, Unavailable or Refused when the lake cannot be read, SettingsError when there is none.
    """
    try:
        return views.connect(open_lake(lake))
    except (duckdb.Error, FileNotFoundError) as error:
        raise BadInput(f"the lake cannot be read: {error}") from None


def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    try:
        while rows := cursor.fetchmany(_FETCHED_ROWS):
            yield from rows
    except (duckdb.Error, OverflowError) as error:
        raise _failed(error) from None


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, a number behind those that came before."""
    distinct: list[str] = []
    for name in names:
        numbered = (f"{name}_{number}" for number in count(1))
        distinct.append(next(one for one in chain([name], numbered) if one not in distinct))
    return distinct


def _failed(error: Exception) -> BadInput:
    """In DuckDB's words, without its copy of the query below them, and without all of a long text that it repeats."""
    words = " ".join(str(error).partition("\n\nLINE ")[0].split())
    hint = f"; {_MORE}" if isinstance(error, duckdb.PermissionException) else ""
    return BadInput(f"the query failed: {words if len(words) <= _MAX_WORDS else words[:_MAX_WORDS] + '…'}{hint}")
