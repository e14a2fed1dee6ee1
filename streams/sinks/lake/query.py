"""SQL queries on the lake: DuckDB over the Parquet files, with the views `posts`, `minutes` and `spikes`."""

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

_UNLOCK_HINT = "use --unlocked to do more than read the lake"
_FETCHED_ROWS = 10_000
_MAX_ERROR_CHARACTERS = 500


class QueryResult(NamedTuple):
    """The result of a query: unique column names, and rows that are fetched as they are consumed."""

    columns: list[str]
    rows: Iterator[tuple[Any, ...]]


def ask(lake: Path | str, sql: str, *, unlocked: bool = False) -> QueryResult:
    """Run one query on a lake.

    Args:
        lake: A folder, or the address of an object store.
        sql: A single statement that reads the lake and nothing else, and writes nothing.
        unlocked: Whether to accept any SQL that DuckDB supports, which can read and write whatever this process can.

    Raises:
        BadInput: The query failed; the text is DuckDB's error message.
        SettingsError: There is no lake.
        Unavailable, Refused: The lake cannot be read.
    """
    storage = open_lake(lake)
    try:
        sql.encode()
    except UnicodeEncodeError:
        raise BadInput("the query failed: it is not valid UTF-8") from None
    try:
        statements = duckdb.extract_statements(sql)
        if not statements:
            raise BadInput("the query is empty")
        if unlocked:
            return select(storage, lambda lake: _result(lake.execute(sql)), unlocked=True)
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            raise BadInput(
                f"a query must be a single read-only statement, such as SELECT, FROM or DESCRIBE; {_UNLOCK_HINT}"
            )
        # query() accepts only statements that read, even where a WITH clause could write
        return select(storage, lambda lake: _result(lake.execute("from query(?)", [sql])))
    except (duckdb.Error, OverflowError) as error:
        raise _failed(error) from None


def connect(lake: Path | str) -> duckdb.DuckDBPyConnection:
    """Return a connection with the views, for running several queries. Times are in UTC.

    Raises:
        SettingsError: There is no lake.
        BadInput, Unavailable, Refused: The lake cannot be read.
    """
    try:
        return views.connect(open_lake(lake))
    except (duckdb.Error, FileNotFoundError) as error:
        raise BadInput(f"the lake cannot be read: {error}") from None


def _result(cursor: duckdb.DuckDBPyConnection) -> QueryResult:
    columns = _distinct([column[0] for column in cursor.description or ()])
    return QueryResult(columns, chain(cursor.fetchmany(_FETCHED_ROWS), _rows(cursor)))


def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    try:
        while rows := cursor.fetchmany(_FETCHED_ROWS):
            yield from rows
    except (duckdb.Error, OverflowError) as error:
        raise _failed(error) from None


def _distinct(names: Sequence[str]) -> list[str]:
    """Return the names, with a number appended to each repeated one."""
    distinct: list[str] = []
    for name in names:
        numbered = (f"{name}_{number}" for number in count(1))
        distinct.append(next(one for one in chain([name], numbered) if one not in distinct))
    return distinct


def _failed(error: Exception) -> BadInput:
    """Return DuckDB's message as one line, without its copy of the query, and shortened if it quotes a long text."""
    text = " ".join(str(error).partition("\n\nLINE ")[0].split())
    hint = f"; {_UNLOCK_HINT}" if isinstance(error, duckdb.PermissionException) else ""
    return BadInput(
        f"the query failed: {text if len(text) <= _MAX_ERROR_CHARACTERS else text[:_MAX_ERROR_CHARACTERS] + '…'}{hint}"
    )
