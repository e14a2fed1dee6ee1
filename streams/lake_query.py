"""Questions to the lake in SQL: DuckDB over the Parquet files, with the view `posts`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from streams.errors import BadInput
from streams.sinks.lake import DELETION_SCHEMA, DELETIONS, POST_SCHEMA, POSTS

_FETCHED_ROWS = 10_000
_FOLDERS = [("run", pa.string()), ("date", pa.date32()), ("hour", pa.string())]

# each post once: an edit before what was not edited, then its newest edit, of equal ones the newest enrichment; and none that was deleted, unless it was edited
# after that (an edit can take the hashtag away and bring it back)
_POSTS_VIEW = """
create view posts as
select * from stored_posts post
where not exists (
    select 1 from stored_deletions deletion
    where deletion.run = post.run and deletion.source = post.source and deletion.id = post.id
    and deletion.deleted_at >= coalesce(post.edited_at, deletion.deleted_at)
)
qualify row_number() over (
    partition by run, source, id
    order by edited_at is null, coalesce(edited_at, created_at) desc, enriched_at desc, kafka_partition, kafka_offset desc
) = 1
"""


class Answer(NamedTuple):
    """The columns of an answer and its rows, read as they are asked for."""

    columns: list[str]
    rows: Iterator[tuple[Any, ...]]


def ask(lake: Path, sql: str) -> Answer:
    """Runs one query. Raises BadInput with DuckDB's own words when it cannot."""
    connection = connect(lake)
    try:
        cursor = connection.execute(sql)
    except duckdb.Error as error:
        raise BadInput(f"the query failed: {error}") from None
    columns = [column[0] for column in cursor.description or ()]
    return Answer(columns, _rows(cursor))


def connect(lake: Path) -> duckdb.DuckDBPyConnection:
    """A connection with the view `posts`, for those who ask more than one question. Times are in UTC. Raises BadInput."""
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    try:
        for kind, schema in ((POSTS, POST_SCHEMA), (DELETIONS, DELETION_SCHEMA)):
            _create_stored_view(connection, lake, kind, schema)
        connection.execute(_POSTS_VIEW)
    except duckdb.Error as error:
        raise BadInput(f"the query failed: {error}") from None
    return connection


def _create_stored_view(connection: duckdb.DuckDBPyConnection, lake: Path, kind: str, schema: pa.Schema) -> None:
    name = f"stored_{kind}"
    # The empty table comes first: files of an earlier version lack the columns that came later.
    columns = f"{name}_columns"
    empty = pa.schema([*schema, *(pa.field(*field) for field in _FOLDERS)]).empty_table()
    connection.register(columns, empty)
    view = f"create view {name} as select * from {columns}"  # noqa: S608
    if next((lake / kind).rglob("*.parquet"), None) is not None:
        pattern = str(lake / kind / "*" / "*" / "*" / "*.parquet").replace("'", "''")
        types = "{'run': varchar, 'date': date, 'hour': varchar}"
        view += (
            " union all by name select * from "  # noqa: S608
            f"read_parquet('{pattern}', hive_partitioning = true, hive_types = {types}, union_by_name = true)"
        )
    connection.execute(view)


def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    try:
        while rows := cursor.fetchmany(_FETCHED_ROWS):
            yield from rows
    except duckdb.Error as error:
        raise BadInput(f"the query failed: {error}") from None
