"""Compaction: the small files of a folder become one for each partition, without what was deleted or edited since."""

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
from streams.sinks.lake.notes import WORDS, Notes, read_notes, without_words
from streams.sinks.lake.storage import Storage
from streams.sinks.lake.views import NEWEST_FIRST

_FULL_ROWS = 250_000
"""Of a file that takes no more: longer folders have no end, and memory holds all rows of a new file."""

_GONE = pa.schema([("source", pa.string()), ("id", pa.string()), ("at", pa.timestamp("us", tz="UTC"))])
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
    """Compacts the hours of a run, or of all runs, that ended by `before`, and all longer folders.

    Without `execute` it only says what it would do.

    Deletions stay, so that records that are read again bring nothing back. It may be killed at any point and run again,
    and workers may write meanwhile.
    """
    folders = {file.folder: file for kind in (POSTS, DELETIONS) for file in files_of(storage, kind)}
    gone: dict[str, pa.Table] = {}
    notes = read_notes(storage)
    for folder, file in folders.items():
        if (file.is_hour and file.end > before) or run not in (None, file.run):
            continue
        is_posts = file.kind == POSTS
        if is_posts and file.run not in gone:
            gone[file.run] = _gone(storage, file.run)
        while True:
            try:
                done = _compact_folder(storage, folder, gone[file.run] if is_posts else None, notes, execute)
            except FileNotFoundError:
                continue  # somebody else replaced a file meanwhile
            break
        if done:
            yield done


def _compact_folder(
    storage: Storage, folder: str, gone: pa.Table | None, notes: Notes, execute: bool
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
    kept, rows = _kept_rows(storage, [files[name] for name in names], gone)
    speaking = {name for name in names if gone is not None and any(notes) and _has_words(storage, files[name], notes)}
    groups: dict[tuple[str, int], list[str]] = defaultdict(list)
    for name in names:
        span = files[name].span
        groups[span.topic, span.partition].append(name)
    files_after = rows_after = 0
    changed = bool(stale)
    for group in (part for whole in groups.values() for part in _parts(whole, kept)):
        left = sum(len(kept[name]) for name in group)
        rows_after += left
        if len(group) == 1 and left == rows[group[0]] and group[0] not in speaking:
            files_after += 1
            continue
        changed = True
        files_after += left > 0
        if execute:
            tables = [read_table(storage, f"{folder}/{name}").take(pa.array(kept[name], pa.int64())) for name in group]
            if speaking.intersection(group):
                tables = [table if (spared := without_words(table, notes)) is None else spared for table in tables]
            ids = {name: described[name][0] for name in group}
            replace(
                storage, folder, ids, {_union([files[name].span for name in group]): _sorted(pa.concat_tables(tables))}
            )
    if not changed:
        return None
    return Compacted(folder, len(names) + len(stale), files_after, sum(rows.values()), rows_after)


def _has_words(storage: Storage, file: LakeFile, notes: Notes) -> bool:
    """Whether a file holds words that were forgotten, of a repost that came later."""
    return without_words(read_table(storage, file.name, WORDS), notes) is not None


def _parts(names: Sequence[str], kept: Mapping[str, Sequence[int]]) -> Iterator[list[str]]:
    """Splits the files of a partition, so that each part has rows for one file."""
    part: list[str] = []
    rows = 0
    for name in names:
        if part and rows + len(kept[name]) > _FULL_ROWS:
            yield part
            part, rows = [], 0
        part.append(name)
        rows += len(kept[name])
    yield part


def _kept_rows(
    storage: Storage, files: Sequence[LakeFile], gone: pa.Table | None
) -> tuple[dict[str, list[int]], dict[str, int]]:
    """Of each file the numbers of the rows to keep, and how many it has."""
    names = [base_name(file.name) for file in files]
    tables = [read_table(storage, file.name, _DELETION_KEYS if gone is None else _POST_KEYS) for file in files]
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
                read_table(storage, file.name, ("source", "id", "deleted_at")).rename_columns(_GONE.names)
                for file in files_of(storage, f"{DELETIONS}/run={run}")
            ]
            for file in files_of(storage, FORGOTTEN):
                table = read_table(storage, file.name)
                table = table.filter(pac.not_equal(table.column("what"), "text"))
                tables.append(table.select(["source", "id", "forgotten_at"]).rename_columns(_GONE.names))
        except FileNotFoundError:
            continue
        return pa.concat_tables([_GONE.empty_table(), *tables])


def _sorted(table: pa.Table) -> pa.Table:
    time = "created_at" if "created_at" in table.column_names else "deleted_at"
    return table.sort_by([(time, "ascending"), ("kafka_offset", "ascending")])


def _union(spans: Sequence[Span]) -> Span:
    first = min(span.first for span in spans)
    return Span(spans[0].topic, spans[0].partition, first, max(span.last for span in spans))
