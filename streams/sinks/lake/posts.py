"""Read posts, edits and deletions from the lake as they were collected, for a replay."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pac

from streams.contracts import Deletion, Post
from streams.sinks.columns import COLUMNS
from streams.sinks.lake.files import files_of, read_table, require_run
from streams.sinks.lake.folders import DELETIONS, POSTS
from streams.sinks.lake.opening import open_lake
from streams.sinks.lake.storage import Storage

_POST = "message.post."
_FIELDS = {
    column.name: column.path.removeprefix(_POST).rpartition(".") for column in COLUMNS if column.path.startswith(_POST)
}
"""The path in a post of each column that is a part of the post."""
_CHUNK = 2_000

_SortKey = tuple[datetime, int, datetime]


def read_messages(lake: Path | str, run: str) -> Iterator[Post | Deletion]:
    """Return an iterator over every post, edit and deletion of a run in the lake, in order of event time.

    Edits of a post follow in the order in which they were made. The folders around the current event time are in
    memory: an hour, and the posts of its month and year that were collected late. After a compaction, the lake holds
    only the newest edits, and no deleted or forgotten posts.

    Raises:
        SettingsError: There is no lake. Raised immediately, like BadInput.
        BadInput: The lake has no such run.
        Unavailable, Refused: The lake cannot be read.
    """
    storage = open_lake(lake)
    require_run(storage, run)
    return _merged(storage, run)


def _merged(storage: Storage, run: str) -> Iterator[Post | Deletion]:
    starts = {file.folder: file.start for kind in (POSTS, DELETIONS) for file in files_of(storage, f"{kind}/run={run}")}
    pending = sorted(starts, key=lambda folder: starts[folder], reverse=True)
    heads: list[tuple[_SortKey, int, Post | Deletion, Iterator[Post | Deletion]]] = []
    while pending or heads:
        # open a folder only when no earlier message is left
        while pending and (not heads or starts[pending[-1]] <= heads[0][0][0]):
            messages = _messages(storage, pending.pop())
            if (first := next(messages, None)) is not None:
                heapq.heappush(heads, (_sort_key(first), len(pending), first, messages))
        if not heads:
            continue
        _, number, message, messages = heads[0]
        yield message
        following = next(messages, None)
        if following is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, (_sort_key(following), number, following, messages))


def _messages(storage: Storage, folder: str) -> Iterator[Post | Deletion]:
    make = _post_of if folder.startswith(f"{POSTS}/") else _deletion_of
    return map(make, _rows(storage, folder))


def _post_of(row: Mapping[str, Any]) -> Post:
    """Return the post of a row of the lake, equal to the one that was stored; a field without a value has its default."""
    fields: dict[str, Any] = {}
    for name, (part, _, field) in _FIELDS.items():
        if (value := row[name]) is not None:
            (fields.setdefault(part, {}) if part else fields)[field] = value
    return msgspec.convert(fields, Post)


def _deletion_of(row: Mapping[str, Any]) -> Deletion:
    return Deletion(source=row["source"], id=row["id"], deleted_at=row["deleted_at"])


def _sort_key(message: Post | Deletion) -> _SortKey:
    """Return the sort key: event time, then the original post before its edits before a deletion."""
    if isinstance(message, Deletion):
        return message.deleted_at, 2, message.deleted_at
    edited_at = message.edited_at
    return message.created_at, int(edited_at is not None), edited_at or message.created_at


def _rows(storage: Storage, folder: str) -> Iterator[dict[str, Any]]:
    """Yield the distinct rows of a folder, sorted."""
    table = _table(storage, folder)
    if table is None:
        return
    if folder.startswith(f"{POSTS}/"):
        # the original post comes before its edits
        table = table.append_column("is_edit", pac.is_valid(table.column("edited_at")).cast(pa.int8()))
        time = ["created_at", "is_edit", "edited_at"]
    else:
        time = ["deleted_at"]
    order = [*time, "kafka_partition", "kafka_offset"]
    at = pac.sort_indices(table, [(name, "ascending") for name in order])
    seen: set[tuple[Any, ...]] = set()
    for start in range(0, len(at), _CHUNK):
        for row in table.take(at[start : start + _CHUNK]).to_pylist():
            # a crash during a compaction leaves duplicate rows
            identity = (row["topic"], row["kafka_partition"], row["kafka_offset"], row["source"], row["id"])
            if identity not in seen:
                seen.add(identity)
                yield row


def _table(storage: Storage, folder: str) -> pa.Table | None:
    columns = [*_FIELDS, "kafka_partition", "kafka_offset"] if folder.startswith(f"{POSTS}/") else None
    while True:
        tables = []
        try:
            for file in files_of(storage, folder):
                table = read_table(storage, file.name, columns)
                tables.append(table.append_column("topic", pa.array([file.span.topic] * len(table), pa.string())))
        except FileNotFoundError:
            continue  # a compaction replaced it
        return pa.concat_tables(tables) if tables else None
