"""The files of the lake: how they are written, read, and replaced by others while writers and readers are at work.

A file that replaces others says so in its metadata: it becomes visible first, the others go after. Whoever is killed
between leaves both; the rows that then stand twice are the same, so that the view shows them once, and the next
compaction finds the others by that metadata. Each file has an id of its own beside its name, since a topic that is made
anew gives old names to new rows.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from streams.errors import BadInput
from streams.sinks.lake.columns import schema_of
from streams.sinks.lake.folders import KINDS, LakeFile, Span, parse
from streams.sinks.lake.storage import Storage

_ROW_GROUP = 100_000
_LEVEL = 3  # 6 takes almost twice the time, for files that are 2 % smaller
_STATISTICS = ["created_at", "edited_at", "deleted_at", "language", "sentiment", "kafka_offset"]
_ID = b"tagpulse.file"
_REPLACES = b"tagpulse.replaces"

# what few distinct values fill is a dictionary; times and counts are differences, scores are split by bytes: a third
# smaller than with pyarrow's choices
_DICTIONARIES = [
    *("source", "author", "language", "sentiment", "campaign_topic", "language_hint", "reply_to", "repost_of"),
    *("model_name", "model_version", "model_runtime", "model_precision", "enriched_at"),
    *(f"{name}.list.element" for name in ("hashtags", "topics", "media")),
]
_ENCODINGS = {
    **dict.fromkeys(
        ("created_at", "edited_at", "collected_at", "author_created_at", "deleted_at", "forgotten_at"),
        "DELTA_BINARY_PACKED",
    ),
    **dict.fromkeys(("likes", "reposts", "replies", "kafka_partition", "kafka_offset"), "DELTA_BINARY_PACKED"),
    **dict.fromkeys(("language_score", "negative", "neutral", "positive", "campaign_score"), "BYTE_STREAM_SPLIT"),
    "topic_scores.list.element": "BYTE_STREAM_SPLIT",
    **dict.fromkeys(("id", "url"), "DELTA_BYTE_ARRAY"),
}

Identity = tuple[int, str, str]
"""Offset, source and id: a topic can be made anew, with other posts at the same offsets."""


def base_name(name: str) -> str:
    """The file's name without its folder."""
    return name.rpartition("/")[2]


def read_table(storage: Storage, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The columns of a file, all those of the schema by default; null where an earlier version wrote none.

    Raises FileNotFoundError when somebody replaced the file meanwhile, BadInput when it is damaged.
    """
    wanted = pa.schema([field for field in schema_of(name) if columns is None or field.name in columns])
    with _opened(storage, name) as file:
        there = file.schema_arrow.names
        table = file.read(columns=[field.name for field in wanted if field.name in there])
    arrays = [
        table.column(field.name).cast(field.type)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in wanted
    ]
    return pa.Table.from_arrays(arrays, schema=wanted)


def write_table(storage: Storage, name: str, table: pa.Table, replaces: Mapping[str, str] | None = None) -> None:
    """Writes a file. `replaces`: names and ids of the files of the same folder whose rows it holds."""
    metadata = {_ID: uuid.uuid4().hex.encode()}
    if replaces:
        metadata[_REPLACES] = json.dumps(replaces).encode()
    buffer = pa.BufferOutputStream()
    columns = [f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name for field in table.schema]
    with pq.ParquetWriter(
        buffer,
        table.schema,
        compression="zstd",
        compression_level=_LEVEL,
        store_schema=False,  # `schema_of` knows it, and it would be an eighth of a small file
        write_statistics=[column for column in _STATISTICS if column in columns],
        use_dictionary=[column for column in _DICTIONARIES if column in columns],
        column_encoding={column: encoding for column, encoding in _ENCODINGS.items() if column in columns},
    ) as writer:
        writer.write_table(table, row_group_size=_ROW_GROUP)
        writer.add_key_value_metadata(metadata)
    storage.write(name, buffer.getvalue())


def replace(storage: Storage, folder: str, old: Mapping[str, str], new: Mapping[Span, pa.Table]) -> None:
    """Puts new files in the place of old ones; the rows of the old ones that are not in the new ones are gone for good.

    `old`: name without folder, and id. A crash at any point leaves every row of `new` visible.
    """
    for span, table in new.items():
        if len(table):
            write_table(storage, f"{folder}/{span.rewritten_name()}", table, old)
    for name in old:
        storage.delete(f"{folder}/{name}")


def describe(storage: Storage, name: str) -> tuple[str, Mapping[str, str]]:
    """A file's id (empty: from an earlier version), and what it replaces. Raises FileNotFoundError, BadInput."""
    with _opened(storage, name) as file:
        metadata: dict[bytes, Any] = file.metadata.metadata or {}
    return metadata.get(_ID, b"").decode(), json.loads(metadata.get(_REPLACES, b"{}"))


def column_names(storage: Storage, name: str) -> tuple[str, ...]:
    """The columns that a file has. Raises FileNotFoundError, BadInput."""
    with _opened(storage, name) as file:
        return tuple(file.schema_arrow.names)


@contextlib.contextmanager
def _opened(storage: Storage, name: str) -> Iterator[pq.ParquetFile]:
    try:
        with storage.faults("read"), storage.read(name) as file:
            yield pq.ParquetFile(file)
    except pa.ArrowInvalid as error:
        raise BadInput(f"{storage.place}/{name} is damaged: move it out of the lake; {error}") from error


def already_stored(storage: Storage, folder: str, span: Span) -> tuple[set[Identity], int]:
    """The rows of a span that the files of a folder hold, and which copy a new file of that span is."""
    while True:
        files = files_of(storage, folder)
        rows: set[Identity] = set()
        try:
            for file in files:
                if file.span.overlaps(span):
                    table = read_table(storage, file.name, ["kafka_offset", "source", "id"])
                    columns = (table.column(column).to_pylist() for column in ("kafka_offset", "source", "id"))
                    rows.update(zip(*columns, strict=True))
        except FileNotFoundError:
            continue  # a compaction replaced it: what it held stands elsewhere now
        names = {file.name for file in files}
        copy = 0
        while f"{folder}/{span.file_name(copy)}" in names:
            copy += 1
        return rows, copy


def files_of(storage: Storage, folder: str) -> list[LakeFile]:
    """The files below a folder of the lake that tagpulse wrote, sorted by name; others are left alone."""
    return list(filter(None, map(parse, storage.files(folder))))


def every_file(storage: Storage) -> list[str]:
    """The names of all files of the lake."""
    return [file.name for kind in KINDS for file in files_of(storage, kind)]


def runs_of(storage: Storage) -> list[str]:
    """The runs that have anything in the lake."""
    return sorted({file.run for kind in KINDS for file in files_of(storage, kind) if file.run})


def require_run(storage: Storage, run: str) -> None:
    """Raises BadInput, naming the runs that are, when this one is none of them."""
    runs = runs_of(storage)
    if run not in runs:
        there = f"there are {', '.join(runs)}" if runs else "it is empty"
        raise BadInput(f"there is no run {run!r} in the lake {storage.place}: {there}")
