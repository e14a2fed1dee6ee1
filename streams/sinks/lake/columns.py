"""The columns of the Parquet lake."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from streams.sinks.base import Row
from streams.sinks.columns import COLUMNS, Column, Kind, values_of
from streams.sinks.lake.folders import DELETIONS, FORGOTTEN, POSTS, SPIKES

_TIME = pa.timestamp("us", tz="UTC")

# Dictionaries for columns with few distinct values, deltas for times and counts, byte splitting for scores: the files are
# a third smaller than with pyarrow's defaults.
DICTIONARY = "RLE_DICTIONARY"
_DELTAS = "DELTA_BINARY_PACKED"
_STORED_AS = {
    Kind.TEXT: (pa.string(), DICTIONARY),
    Kind.TEXTS: (pa.list_(pa.string()), DICTIONARY),
    Kind.NUMBER: (pa.float64(), "BYTE_STREAM_SPLIT"),
    Kind.NUMBERS: (pa.list_(pa.float64()), "BYTE_STREAM_SPLIT"),
    Kind.SCORES: (pa.map_(pa.string(), pa.float64()), "BYTE_STREAM_SPLIT"),
    Kind.INT32: (pa.int32(), _DELTAS),
    Kind.INT64: (pa.int64(), _DELTAS),
    Kind.TIME: (_TIME, _DELTAS),
    Kind.FLAG: (pa.bool_(), "PLAIN"),
}
"""The Arrow type of each kind of value, and its usual encoding in Parquet."""


_DELETION_COLUMNS = (
    *(column._replace(path=column.path.replace(".post", "")) for column in COLUMNS if column.name in ("source", "id")),
    Column("deleted_at", "message.deleted_at", Kind.TIME, "When the post was deleted."),
    *(column for column in COLUMNS if column.path.startswith("record.")),
)


def _schema(columns: Sequence[Column]) -> pa.Schema:
    return pa.schema([(column.name, _STORED_AS[column.kind][0]) for column in columns])


POST_SCHEMA = _schema(COLUMNS)
DELETION_SCHEMA = _schema(_DELETION_COLUMNS)
FORGOTTEN_SCHEMA = pa.schema(
    [("source", pa.string()), ("id", pa.string()), ("forgotten_at", _TIME), ("what", pa.string())]
)
"""Erasure records, which apply to all runs and which retention never removes.

`what` is `all` for a post that is removed with its reposts, `post` for a post whose reposts only lose their text, and
`text` for a repost that loses its text.
"""

_EXCERPTS = pa.list_(
    pa.struct(
        [
            ("source", pa.string()),
            ("id", pa.string()),
            ("text", pa.string()),
            ("created_at", _TIME),
            ("negative", pa.float64()),
            ("author", pa.string()),
            ("url", pa.string()),
            ("shared", pa.int64()),
        ]
    )
)
SPIKE_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "kind", "hashtag", "state", "sensitivity")),
        *((name, _TIME) for name in ("opened_at", "known_at", "updated_at", "closed_at")),
        *((name, pa.int64()) for name in ("posts", "negative")),
        *((name, pa.float64()) for name in ("share", "low", "high", "baseline", "rate", "usual_rate")),
        ("summary", pa.string()),
        ("explanation", pa.string()),
        ("typical", _EXCERPTS),
        ("shared", _EXCERPTS),
    ]
)
"""A message about a spike; `explanation` holds the rest of its explanation as JSON."""

ENCODINGS = {
    **{column.name: column.encoding or _STORED_AS[column.kind][1] for column in (*COLUMNS, *_DELETION_COLUMNS)},
    "forgotten_at": _DELTAS,
}
"""The encoding of each column in Parquet, where it is not pyarrow's default."""

_SCHEMAS = {POSTS: POST_SCHEMA, DELETIONS: DELETION_SCHEMA, FORGOTTEN: FORGOTTEN_SCHEMA, SPIKES: SPIKE_SCHEMA}


def schema_of(name: str) -> pa.Schema:
    """Return the schema of a folder of the lake, or of a file in it."""
    return _SCHEMAS[name.partition("/")[0]]


def to_table(rows: Sequence[Row], schema: pa.Schema) -> pa.Table:
    """Convert rows of one kind (posts or deletions) to a table."""
    columns = COLUMNS if schema is POST_SCHEMA else _DELETION_COLUMNS
    arrays = [pa.array(values, field.type) for values, field in zip(values_of(columns, rows), schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
