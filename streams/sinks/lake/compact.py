"""Compaction: merge the small files of a folder by partition, without posts that were deleted or edited since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa
import pyarrow.compute as pac

from streams.sinks.lake.files import base_name, describe, files_of, read_table, replace
from streams.sinks.lake.folders import DELETIONS, FORGOTTEN, POSTS, LakeFile, Span
from streams.sinks.lake.notes import TEXT_COLUMNS, ErasureRecords, apply_erasures, read_erasures
from streams.sinks.lake.storage import Storage
from streams.sinks.lake.views import NEWEST_FIRST

_MAX_FILE_ROWS = 250_000  # folders of months and years can grow without limit, and a new file is built in memory

_REMOVED_SCHEMA = pa.schema([("source", pa.string()), ("id", pa.string()), ("at", pa.timestamp("us", tz="UTC"))])
_POST_KEYS = ("source", "id", "created_at", "edited_at", "enriched_at", "kafka_partition", "kafka_offset")
_DELETION_KEYS = ("source", "id", "kafka_partition", "kafka_offset")

# The view must show the same posts as before, whatever is deleted later. A row may therefore be dropped only if every
# deletion that hides its newer version hides it as well. Of duplicate rows, one is kept.
_KEPT_POSTS = f"""
select file, row from (select * from keys post where not exists (
    select 1 from removed where removed.source = post.source and removed.id = post.id
    and removed.at >= coalesce(post.edited_at, removed.at)
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
    """The effect of a compaction on a folder: its files and rows before and after."""

    folder: str
    files: int
    files_after: int
    rows: int
    rows_after: int


def compact(storage: Storage, *, run: str | None, before: datetime, execute: bool = False) -> Iterator[Compacted]:
    """Compact the hourly folders that ended by `before`, and all folders of longer periods.

    Deletions are kept, so that reading old records again does not restore deleted posts. A compaction can be killed at
    any point and run again, and workers may write at the same time.

    Args:
        storage: The lake.
        run: The run to compact; None for all runs.
        before: Latest end of an hourly folder.
        execute: Whether to compact; without it, the result says what would be done.
    """
    folders = {file.folder: file for kind in (POSTS, DELETIONS) for file in files_of(storage, kind)}
    removed: dict[str, pa.Table] = {}
    notes = read_erasures(storage)
    for folder, file in folders.items():
        if (file.is_hour and file.end > before) or run not in (None, file.run):
            continue
        is_posts = file.kind == POSTS
        if is_posts and file.run not in removed:
            removed[file.run] = _removed_posts(storage, file.run)
        while True:
            try:
                done = _compact_folder(storage, folder, removed[file.run] if is_posts else None, notes, execute)
            except FileNotFoundError:
                continue  # another process has just replaced a file
            break
        if done:
            yield done


def _compact_folder(
    storage: Storage, folder: str, removed: pa.Table | None, notes: ErasureRecords, execute: bool
) -> Compacted | None:
    files = {base_name(file.name): file for file in files_of(storage, folder)}
    names = list(files)
    described = {name: describe(storage, f"{folder}/{name}") for name in names}
    replaced = {item for _, replaces in described.values() for item in replaces.items()}
    stale = [name for name, (file_id, _) in described.items() if (name, file_id) in replaced]
    names = [name for name in names if name not in stale]
    if execute:
        for name in stale:
            storage.delete(f"{folder}/{name}")
    kept, rows = _kept_rows(storage, [files[name] for name in names], removed)
    to_clear = {
        name
        for name in names
        if removed is not None and any(notes) and _has_forgotten_text(storage, files[name], notes)
    }
    groups: dict[tuple[str, int], list[str]] = defaultdict(list)
    for name in names:
        span = files[name].span
        groups[span.topic, span.partition].append(name)
    files_after = rows_after = 0
    changed = bool(stale)
    for group in (part for names_of_partition in groups.values() for part in _split(names_of_partition, kept)):
        left = sum(len(kept[name]) for name in group)
        rows_after += left
        if len(group) == 1 and left == rows[group[0]] and group[0] not in to_clear:
            files_after += 1
            continue
        changed = True
        files_after += left > 0
        if execute:
            tables = [read_table(storage, f"{folder}/{name}").take(pa.array(kept[name], pa.int64())) for name in group]
            if to_clear.intersection(group):
                tables = [table if (cleared := apply_erasures(table, notes)) is None else cleared for table in tables]
            ids = {name: described[name][0] for name in group}
            replace(
                storage, folder, ids, {_union([files[name].span for name in group]): _sorted(pa.concat_tables(tables))}
            )
    if not changed:
        return None
    return Compacted(folder, len(names) + len(stale), files_after, sum(rows.values()), rows_after)


def _has_forgotten_text(storage: Storage, file: LakeFile, notes: ErasureRecords) -> bool:
    """Return whether a file contains forgotten text, which a repost can bring in after the erasure."""
    return apply_erasures(read_table(storage, file.name, TEXT_COLUMNS), notes) is not None


def _split(names: Sequence[str], kept: Mapping[str, Sequence[int]]) -> Iterator[list[str]]:
    """Split the files of a partition into groups, each of which fits into one new file."""
    part: list[str] = []
    rows = 0
    for name in names:
        if part and rows + len(kept[name]) > _MAX_FILE_ROWS:
            yield part
            part, rows = [], 0
        part.append(name)
        rows += len(kept[name])
    yield part


def _kept_rows(
    storage: Storage, files: Sequence[LakeFile], removed: pa.Table | None
) -> tuple[dict[str, list[int]], dict[str, int]]:
    """Return for each file the indices of the rows to keep, and its number of rows."""
    names = [base_name(file.name) for file in files]
    tables = [read_table(storage, file.name, _DELETION_KEYS if removed is None else _POST_KEYS) for file in files]
    kept: dict[str, list[int]] = {name: [] for name in names}
    if tables:
        keys = pa.concat_tables(
            [
                table.append_column("file", pa.array([number] * len(table), pa.int32()))
                .append_column("row", pa.array(range(len(table)), pa.int64()))
                .append_column("topic", pa.array([file.span.topic] * len(table), pa.string()))
                for number, (file, table) in enumerate(zip(files, tables, strict=True))
            ]
        )
        with duckdb.connect() as connection:
            connection.register("keys", keys)
            if removed is not None:
                connection.register("removed", removed)
            query = _KEPT_DELETIONS if removed is None else _KEPT_POSTS
            for number, row in connection.execute(f"{query} order by file, row").fetchall():
                kept[names[number]].append(row)
    return kept, {name: len(table) for name, table in zip(names, tables, strict=True)}


def _removed_posts(storage: Storage, run: str) -> pa.Table:
    """Return the posts that were deleted in a run or forgotten in all runs: source, id, at."""
    while True:
        try:
            tables = [
                read_table(storage, file.name, ("source", "id", "deleted_at")).rename_columns(_REMOVED_SCHEMA.names)
                for file in files_of(storage, f"{DELETIONS}/run={run}")
            ]
            for file in files_of(storage, FORGOTTEN):
                table = read_table(storage, file.name)
                table = table.filter(pac.not_equal(table.column("what"), "text"))
                tables.append(table.select(["source", "id", "forgotten_at"]).rename_columns(_REMOVED_SCHEMA.names))
        except FileNotFoundError:
            continue
        return pa.concat_tables([_REMOVED_SCHEMA.empty_table(), *tables])


def _sorted(table: pa.Table) -> pa.Table:
    time = "created_at" if "created_at" in table.column_names else "deleted_at"
    return table.sort_by([(time, "ascending"), ("kafka_offset", "ascending")])


def _union(spans: Sequence[Span]) -> Span:
    first = min(span.first for span in spans)
    return Span(spans[0].topic, spans[0].partition, first, max(span.last for span in spans))
