"""Takes posts out of the lake for good."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime

import pyarrow as pa

from streams.contracts import utc_now
from streams.sinks.base import Author, PostKey, Wanted
from streams.sinks.lake import FORGOTTEN_SCHEMA
from streams.sinks.lake_files import base_name, describe, files_of, read_table, replace, write_table
from streams.sinks.lake_folders import FORGOTTEN, POSTS, LakeFile
from streams.sinks.lake_spikes import forget_in_spikes
from streams.sinks.storage import Storage


def forget(storage: Storage, wanted: Wanted) -> Sequence[PostKey]:
    """Removes posts from every file of every run, and answers which were there.

    What is forgotten is noted first: from then on no view shows it, also when its record is read again or a replay brings
    it back; an edit from later on is a new post. Rows that a writer holds meanwhile are hidden, and the next compaction
    takes them out.
    """
    found: set[PostKey] = set()
    newest = utc_now()
    for _, table in _tables(storage, ["source", "id", "author", "edited_at"]):
        keys = _keys(table)
        authors, edits = table.column("author").to_pylist(), table.column("edited_at").to_pylist()
        for key, author, edited_at in zip(keys, authors, edits, strict=True):
            if Author(key.source, author) in wanted.authors or key in wanted.posts:
                found.add(key)
                newest = max(newest, edited_at or newest)
    noted = sorted(found | wanted.posts)
    if noted:
        _note(storage, noted, newest)
    # a compaction may carry a post into a new file while this one is being rewritten
    while found and _take_out(storage, found):
        pass
    forget_in_spikes(storage, wanted, noted)
    return sorted(found)


def _note(storage: Storage, keys: Sequence[PostKey], at: datetime) -> None:
    columns = [[key.source for key in keys], [key.id for key in keys], [at] * len(keys)]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, FORGOTTEN_SCHEMA, strict=True)]
    table = pa.Table.from_arrays(arrays, schema=FORGOTTEN_SCHEMA)
    write_table(storage, f"{FORGOTTEN}/forgotten-{uuid.uuid4().hex}.parquet", table)


def _take_out(storage: Storage, keys: set[PostKey]) -> bool:
    """Rewrites the files that hold one of these posts; whether there were any."""
    held = False
    for file, table in _tables(storage, ["source", "id"]):
        kept = [key not in keys for key in _keys(table)]
        if all(kept):
            continue
        held = True
        try:
            file_id, _ = describe(storage, file.name)
            whole = read_table(storage, file.name)
        except FileNotFoundError:
            continue
        replace(storage, file.folder, {base_name(file.name): file_id}, {file.span: whole.filter(pa.array(kept))})
    return held


def _tables(storage: Storage, columns: Sequence[str]) -> Iterator[tuple[LakeFile, pa.Table]]:
    for file in files_of(storage, POSTS):
        try:
            table = read_table(storage, file.name, columns)
        except FileNotFoundError:
            continue
        yield file, table


def _keys(table: pa.Table) -> list[PostKey]:
    return list(map(PostKey, table.column("source").to_pylist(), table.column("id").to_pylist()))
