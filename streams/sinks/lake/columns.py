"""The columns of the Parquet lake."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain
from operator import attrgetter
from typing import Any, NamedTuple

import pyarrow as pa

from streams.sinks.base import Row
from streams.sinks.lake.folders import DELETIONS, FORGOTTEN, POSTS, SPIKES

_TIME = pa.timestamp("us", tz="UTC")
_STRINGS = pa.list_(pa.string())
_NUMBERS = pa.list_(pa.float64())


class _Column(NamedTuple):
    """A column, and the attribute path of its value in a `streams.sinks.base.Row`."""

    name: str
    type: pa.DataType
    path: str


_KAFKA = [
    _Column("kafka_partition", pa.int32(), "record.partition"),
    _Column("kafka_offset", pa.int64(), "record.offset"),
]
_POST_COLUMNS = [
    _Column("source", pa.string(), "message.post.source"),
    _Column("id", pa.string(), "message.post.id"),
    _Column("created_at", _TIME, "message.post.created_at"),
    _Column("text", pa.string(), "message.post.text"),
    _Column("author", pa.string(), "message.post.author"),
    _Column("hashtags", _STRINGS, "message.post.hashtags"),
    _Column("language", pa.string(), "message.language.code"),
    _Column("language_score", pa.float64(), "message.language.score"),
    _Column("sentiment", pa.string(), "message.sentiment.label"),
    _Column("negative", pa.float64(), "message.sentiment.negative"),
    _Column("neutral", pa.float64(), "message.sentiment.neutral"),
    _Column("positive", pa.float64(), "message.sentiment.positive"),
    _Column("topics", _STRINGS, "message.topics"),
    _Column("topic_scores", _NUMBERS, "message.topics"),
    _Column("campaign_topic", pa.string(), "message.campaign.name"),
    _Column("campaign_score", pa.float64(), "message.campaign.score"),
    _Column("language_hint", pa.string(), "message.post.language_hint"),
    _Column("media", _STRINGS, "message.post.media"),
    _Column("reply_to", pa.string(), "message.post.reply_to"),
    _Column("repost_of", pa.string(), "message.post.repost_of"),
    _Column("likes", pa.int64(), "message.post.engagement.likes"),
    _Column("reposts", pa.int64(), "message.post.engagement.reposts"),
    _Column("replies", pa.int64(), "message.post.engagement.replies"),
    _Column("url", pa.string(), "message.post.url"),
    _Column("edited_at", _TIME, "message.post.edited_at"),
    _Column("collected_at", _TIME, "message.post.collected_at"),
    _Column("created_at_is_estimate", pa.bool_(), "message.post.created_at_is_estimate"),
    _Column("author_created_at", _TIME, "message.post.author_created_at"),
    _Column("model_name", pa.string(), "message.model.name"),
    _Column("model_version", pa.string(), "message.model.version"),
    _Column("model_runtime", pa.string(), "message.model.runtime"),
    _Column("model_precision", pa.string(), "message.model.precision"),
    _Column("enriched_at", _TIME, "message.enriched_at"),
    *_KAFKA,
]
_DELETION_COLUMNS = [
    _Column("source", pa.string(), "message.source"),
    _Column("id", pa.string(), "message.id"),
    _Column("deleted_at", _TIME, "message.deleted_at"),
    *_KAFKA,
]
POST_SCHEMA = pa.schema([(column.name, column.type) for column in _POST_COLUMNS])
DELETION_SCHEMA = pa.schema([(column.name, column.type) for column in _DELETION_COLUMNS])

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
        *((name, _TIME) for name in ("opened_at", "known_at", "told_at", "closed_at")),
        *((name, pa.int64()) for name in ("posts", "negative")),
        *((name, pa.float64()) for name in ("share", "low", "high", "baseline", "rate", "usual_rate")),
        ("summary", pa.string()),
        ("explanation", pa.string()),
        ("typical", _EXCERPTS),
        ("shared", _EXCERPTS),
    ]
)
"""A message about a spike; `explanation` holds the rest of its explanation as JSON."""

_SCHEMAS = {POSTS: POST_SCHEMA, DELETIONS: DELETION_SCHEMA, FORGOTTEN: FORGOTTEN_SCHEMA, SPIKES: SPIKE_SCHEMA}


def schema_of(name: str) -> pa.Schema:
    """Return the schema of a folder of the lake, or of a file in it."""
    return _SCHEMAS[name.partition("/")[0]]


def to_table(rows: Sequence[Row], schema: pa.Schema) -> pa.Table:
    """Convert rows of one kind (posts or deletions) to a table."""
    columns = _POST_COLUMNS if schema is POST_SCHEMA else _DELETION_COLUMNS
    paths = [column.path.rpartition(".") for column in columns]
    # by column, because building a tuple for each row would cost more than everything else here
    parts = {part: list(map(attrgetter(part), rows)) for part in {part for part, _, _ in paths}}
    arrays = [
        _array(column, list(map(attrgetter(attribute), parts[part])))
        for column, (part, _, attribute) in zip(columns, paths, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _array(column: _Column, values: Sequence[Any]) -> pa.Array:
    if column.path != "message.topics":
        return pa.array(values, column.type)
    part = attrgetter("name" if column.type == _STRINGS else "score")
    ends = pa.array(accumulate(map(len, values), initial=0), pa.int32())
    return pa.ListArray.from_arrays(ends, pa.array(map(part, chain.from_iterable(values)), column.type.value_type))
