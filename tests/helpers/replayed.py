"""What a sink must contain in the end, computed from the messages alone: the newest edit of each post not deleted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from streams.contracts import Deletion, EnrichedPost, decode_enriched
from streams.runtime.lossless import Record
from streams.settings import LakeSettings
from streams.sinks.base import Row
from streams.sinks.lake.columns import POST_SCHEMA, to_table
from streams.sinks.lake.query import ask

Fields = dict[str, Any]


def surviving(rows: Iterable[Row]) -> list[Row]:
    """Return the rows that a sink must show, sorted by source and id; the order in which they came does not matter."""
    posts: dict[bytes, list[tuple[EnrichedPost, Row]]] = defaultdict(list)
    deletions: dict[bytes, list[datetime]] = defaultdict(list)
    for row in rows:
        if isinstance(row.message, Deletion):
            deletions[row.message.key].append(row.message.deleted_at)
        else:
            posts[row.message.key].append((row.message, row))
    found = []
    for key, written in posts.items():
        edits = [version for version in written if version[0].post.edited_at is not None]
        versions = edits or written
        if deletions[key]:
            last = max(deletions[key])
            versions = [version for version in edits if version[0].post.edited_at > last]  # type: ignore[operator]
        if versions:
            found.append(max(versions, key=_order)[1])
    return sorted(found, key=lambda row: row.message.key.decode())


def _order(version: tuple[EnrichedPost, Row]) -> tuple[datetime, datetime, int, int]:
    message, row = version
    written = message.post.edited_at or message.post.created_at
    return written, message.enriched_at, -row.record.partition, row.record.offset


def fields_of(rows: Sequence[Row]) -> list[Fields]:
    """Return rows as the views of the sinks show them, without the columns that locate them in Kafka."""
    return to_table(rows, POST_SCHEMA).to_pylist(maps_as_pydicts="strict") if rows else []


def rows_of(records: Iterable[Any]) -> list[Row]:
    """Return the rows of records from `read_all`."""
    found = []
    for record in records:
        place = Record(record.topic, record.partition, record.offset, record.timestamp, record.key, record.value, ())
        found.append(Row(place, decode_enriched(record.value)))
    return found


def postgres_posts(dsn: str, run: str = "live") -> list[Fields]:
    """Return the view `posts` of PostgreSQL, sorted by source and id."""
    names = ", ".join(POST_SCHEMA.names)
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        connection.execute("set timezone = 'UTC'")
        # sorted byte by byte, as in `surviving`
        found = connection.execute(
            f"select {names} from posts where run = %s order by source || ':' || id collate \"C\"".encode(), [run]
        )
        return list(found)


def lake_posts(lake: LakeSettings) -> list[Fields]:
    """Return the view `posts` of the lake, sorted by source and id."""
    answer = ask(lake.path, f"select {', '.join(POST_SCHEMA.names)} from posts order by source || ':' || id")
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
