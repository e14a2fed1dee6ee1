"""What was forgotten, as the lake notes it, and rows without it."""

from __future__ import annotations

from collections.abc import Set
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pac

from streams.sinks.base import PostKey
from streams.sinks.lake.files import files_of, read_table
from streams.sinks.lake.folders import FORGOTTEN
from streams.sinks.lake.storage import Storage

WORDS = ("source", "id", "repost_of", "text", "media")
"""The columns that `without_words` needs."""


class Notes(NamedTuple):
    """The keys of every note; see `FORGOTTEN_SCHEMA`."""

    all: frozenset[PostKey] = frozenset()
    post: frozenset[PostKey] = frozenset()
    text: frozenset[PostKey] = frozenset()


def read_notes(storage: Storage) -> Notes:
    """What is noted now."""
    found: dict[str, set[PostKey]] = {name: set() for name in Notes._fields}
    for file in files_of(storage, FORGOTTEN):
        for row in read_table(storage, file.name, ["source", "id", "what"]).to_pylist():
            found[row["what"]].add(PostKey(row["source"], row["id"]))
    return Notes(**{name: frozenset(keys) for name, keys in found.items()})


def keys_of(table: pa.Table, column: str = "id") -> list[PostKey]:
    """The posts of a table, or those that they repost."""
    return list(map(PostKey, table.column("source").to_pylist(), table.column(column).to_pylist()))


def without_words(table: pa.Table, notes: Notes, removed: Set[PostKey] = frozenset()) -> pa.Table | None:
    """The rows but for these and for reposts of what is noted, which may lose their text instead; None: all are as they were.

    `table` has the columns of WORDS, and any others.
    """
    keys, originals = keys_of(table), keys_of(table, "repost_of")
    kept = [key not in removed and original not in notes.all for key, original in zip(keys, originals, strict=True)]
    says = pac.or_(
        pac.not_equal(table.column("text"), ""), pac.greater(pac.list_value_length(table.column("media")), 0)
    )
    cleared = [
        bool(words) and (key in notes.text or original in notes.post)
        for key, original, words in zip(keys, originals, says.to_pylist(), strict=True)
    ]
    if all(kept) and not any(cleared):
        return None
    mask = pa.array(cleared)
    for name, nothing in (("text", pa.scalar("")), ("media", pa.scalar([], pa.list_(pa.string())))):
        place = table.column_names.index(name)
        column = pac.if_else(mask, nothing, table.column(name))
        table = table.set_column(place, table.schema.field(name), column)
    return table.filter(pa.array(kept))
