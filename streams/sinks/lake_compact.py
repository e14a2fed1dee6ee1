"""Compaction: the small files of an hour become one for each partition, without what was deleted or edited since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa

from streams.sinks.lake import DELETIONS, FORGOTTEN, POSTS, Span, parse_file_name
from streams.sinks.lake_files import base_name, describe, read_table, replace
from streams.sinks.lake_views import NEWEST_FIRST
from streams.sinks.storage import Storage

_POST_KEYS = ("source", "id", "created_at", "edited_at", "enriched_at", "kafka_partition", "kafka_offset")
_DELETION_KEYS = ("source", "id", "kafka_partition", "kafka_offset")

# What the view shows of the rows must not change, whatever is deleted later: an older edit may go only when each deletion
# that removes the newer row removes it as well. Rows that stand twice go once.
_KEPT_POSTS = f"""
select file, row from (select * from keys post where not exists (
    select 1 from gone where gone.source = post.source and gone.id = post.id
    and gone.at >= coalesce(post.edited_at, gone.at)
))
qualify row_number() over (partition by source, id order by {NEWEST_FIRST}) = 1
or (edited_at is not null and count(edited_at) over (
    partition by source, id order by {NEWEST_FIRST} rows between unbounded preceding and 1 preceding
) = 0)
"""  # noqa: S608
_KEPT_DELETIONS = """
select file, row from keys
qualify row_number() over (partition by topic, kafka_partition, kafka_offset, source, id order by file, row) = 1
"""


@dataclass(frozen=True)
class Compacted:
    """What a compaction does to a folder."""

    folder: str
    files: int
    files_after: int
    rows: int
    rows_after: int


def compact(storage: Storage, *, run: str | None, before: datetime, execute: bool = False) -> Iterator[Compacted]:
    """Compacts the hours of a run, or of all runs, that ended by `before`; without `execute` it only says what it would do.

    Deletions stay, so that records that are read again bring nothing back. It may be killed at any point and run again,
    and workers may write meanwhile.
    """
    folders: dict[str, None] = {}
    for kind in (POSTS, DELETIONS):
        folders |= dict.fromkeys(name.rpartition("/")[0] for name in storage.files(kind))
    gone: dict[str, pa.Table] = {}
    for folder in folders:
        found = _hour_of(folder)
        if found is None or found[1] + timedelta(hours=1) > before or run not in (None, found[0]):
            continue
        name = found[0]
        is_posts = folder.startswith(f"{POSTS}/")
        if is_posts and name not in gone:
            gone[name] = _gone(storage, name)
        while True:
            try:
                done = _compact_folder(storage, folder, gone[name] if is_posts else None, execute)
            except FileNotFoundError:
                continue  # somebody else replaced a file meanwhile
            break
        if done:
            yield done


def _compact_folder(storage: Storage, folder: str, gone: pa.Table | None, execute: bool) -> Compacted | None:
    names = [name for name in map(base_name, storage.files(folder)) if parse_file_name(name)]
    described = {name: describe(storage, f"{folder}/{name}") for name in names}
    replaced = {item for _, replaces in described.values() for item in replaces.items()}
    stale = [name for name, (file_id, _) in described.items() if (name, file_id) in replaced]
    names = [name for name in names if name not in stale]
    if execute:
        for name in stale:
            storage.delete(f"{folder}/{name}")
    kept, rows = _kept_rows(storage, folder, names, gone)
    groups: dict[tuple[str, int], list[str]] = defaultdict(list)
    for name in names:
        span = _span(name)
        groups[span.topic, span.partition].append(name)
    files_after = rows_after = 0
    changed = bool(stale)
    for group in groups.values():
        left = sum(len(kept[name]) for name in group)
        rows_after += left
        if len(group) == 1 and left == rows[group[0]]:
            files_after += 1
            continue
        changed = True
        files_after += left > 0
        if execute:
            tables = [read_table(storage, f"{folder}/{name}").take(pa.array(kept[name], pa.int64())) for name in group]
            ids = {name: described[name][0] for name in group}
            replace(storage, folder, ids, {_union([_span(name) for name in group]): _sorted(pa.concat_tables(tables))})
    if not changed:
        return None
    return Compacted(folder, len(names) + len(stale), files_after, sum(rows.values()), rows_after)


def _kept_rows(
    storage: Storage, folder: str, names: Sequence[str], gone: pa.Table | None
) -> tuple[dict[str, list[int]], dict[str, int]]:
    """Of each file the numbers of the rows to keep, and how many it has."""
    tables = [read_table(storage, f"{folder}/{name}", _DELETION_KEYS if gone is None else _POST_KEYS) for name in names]
    kept: dict[str, list[int]] = {name: [] for name in names}
    if tables:
        keys = pa.concat_tables(
            [
                table.append_column("file", pa.array([number] * len(table), pa.int32()))
                .append_column("row", pa.array(range(len(table)), pa.int64()))
                .append_column("topic", pa.array([_span(name).topic] * len(table), pa.string()))
                for number, (name, table) in enumerate(zip(names, tables, strict=True))
            ]
        )
        with duckdb.connect() as connection:
            connection.register("keys", keys)
            if gone is not None:
                connection.register("gone", gone)
            query = _KEPT_DELETIONS if gone is None else _KEPT_POSTS
            for number, row in connection.execute(f"{query} order by file, row").fetchall():
                kept[names[number]].append(row)
    return kept, {name: len(table) for name, table in zip(names, tables, strict=True)}


def _gone(storage: Storage, run: str) -> pa.Table:
    """What a run deleted and what all runs forgot: source, id, at."""
    while True:
        try:
            tables = [
                read_table(storage, name, ("source", "id", time)).rename_columns(["source", "id", "at"])
                for folder, time in ((f"{DELETIONS}/run={run}", "deleted_at"), (FORGOTTEN, "forgotten_at"))
                for name in storage.files(folder)
                if name.endswith(".parquet")
            ]
        except FileNotFoundError:
            continue
        empty = pa.schema([("source", pa.string()), ("id", pa.string()), ("at", pa.timestamp("us", tz="UTC"))])
        return pa.concat_tables([empty.empty_table(), *tables])


def _sorted(table: pa.Table) -> pa.Table:
    time = "created_at" if "created_at" in table.column_names else "deleted_at"
    return table.sort_by([(time, "ascending"), ("kafka_offset", "ascending")])


def _span(name: str) -> Span:
    span = parse_file_name(name)
    if span is None:
        raise AssertionError(name)
    return span


def _union(spans: Sequence[Span]) -> Span:
    first = min(span.first for span in spans)
    return Span(spans[0].topic, spans[0].partition, first, max(span.last for span in spans))


def _hour_of(folder: str) -> tuple[str, datetime] | None:
    """The run and the start of the hour of a folder; None for one that is not ours."""
    try:
        _, run, date, hour = folder.split("/")
        at = datetime.strptime(f"{date} {hour}", "date=%Y-%m-%d hour=%H").replace(tzinfo=UTC)
    except ValueError:
        return None
    return run.removeprefix("run="), at
