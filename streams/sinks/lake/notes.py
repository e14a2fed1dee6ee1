"""The erasure records of the lake, and their application to rows."""

from __future__ import annotations

from collections.abc import Set
from functools import reduce
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pac

from streams.sinks.base import PostKey
from streams.sinks.columns import CLEARED, Kind
from streams.sinks.lake.files import files_of, read_table
from streams.sinks.lake.folders import FORGOTTEN
from streams.sinks.lake.storage import Storage

_LENGTHS = {Kind.TEXT: pac.binary_length, Kind.TEXTS: pac.list_value_length}
_EMPTY: dict[Kind, str | list[str]] = {Kind.TEXT: "", Kind.TEXTS: []}

TEXT_COLUMNS = ("source", "id", "repost_of", *(column.name for column in CLEARED))
"""The columns that `apply_erasures` needs."""


class ErasureRecords(NamedTuple):
    """The keys of all erasure records, by the value of `what` (see `FORGOTTEN_SCHEMA`)."""

    all: frozenset[PostKey] = frozenset()
    post: frozenset[PostKey] = frozenset()
    text: frozenset[PostKey] = frozenset()


def read_erasures(storage: Storage) -> ErasureRecords:
    """Read all erasure records."""
    found: dict[str, set[PostKey]] = {name: set() for name in ErasureRecords._fields}
    for file in files_of(storage, FORGOTTEN):
        for row in read_table(storage, file.name, ["source", "id", "what"]).to_pylist():
            found[row["what"]].add(PostKey(row["source"], row["id"]))
    return ErasureRecords(**{name: frozenset(keys) for name, keys in found.items()})


def keys_of(table: pa.Table, column: str = "id") -> list[PostKey]:
    """Return the keys of the posts in a table or, with `repost_of` as the column, of the posts that they repost."""
    return list(map(PostKey, table.column("source").to_pylist(), table.column(column).to_pylist()))


def apply_erasures(table: pa.Table, notes: ErasureRecords, removed: Set[PostKey] = frozenset()) -> pa.Table | None:
    """Apply the erasure records to rows; return None if no row changes.

    Reposts of forgotten posts are removed, or lose their text and media, as their erasure records say.

    Args:
        table: Rows with at least the columns of `TEXT_COLUMNS`.
        notes: The erasure records.
        removed: Posts to remove.
    """
    keys, originals = keys_of(table), keys_of(table, "repost_of")
    kept = [key not in removed and original not in notes.all for key, original in zip(keys, originals, strict=True)]
    lengths = [_LENGTHS[column.kind](table.column(column.name)) for column in CLEARED]
    has_text = reduce(pac.or_kleene, [pac.greater(length, 0) for length in lengths])
    cleared = [
        bool(has_any) and (key in notes.text or original in notes.post)
        for key, original, has_any in zip(keys, originals, has_text.to_pylist(), strict=True)
    ]
    if all(kept) and not any(cleared):
        return None
    mask = pa.array(cleared)
    for column in CLEARED:
        index, field = table.column_names.index(column.name), table.schema.field(column.name)
        values = pac.if_else(mask, pa.scalar(_EMPTY[column.kind], field.type), table.column(column.name))
        table = table.set_column(index, field, values)
    return table.filter(pa.array(kept))
