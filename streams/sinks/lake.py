"""The shape of the Parquet lake: its folders, its columns, its file names."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from streams.contracts import Deletion, EnrichedMessage, EnrichedPost
from streams.sinks.base import Row

POSTS = "posts"
DELETIONS = "deletions"
FORGOTTEN = "forgotten"

_TIME = pa.timestamp("us", tz="UTC")
_STRINGS = pa.list_(pa.string())
_PLACE = [("kafka_partition", pa.int32()), ("kafka_offset", pa.int64())]

POST_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("id", pa.string()),
        ("created_at", _TIME),
        ("text", pa.string()),
        ("author", pa.string()),
        ("hashtags", _STRINGS),
        ("language", pa.string()),
        ("language_score", pa.float64()),
        ("sentiment", pa.string()),
        ("negative", pa.float64()),
        ("neutral", pa.float64()),
        ("positive", pa.float64()),
        ("topics", _STRINGS),
        ("topic_scores", pa.list_(pa.float64())),
        ("campaign_topic", pa.string()),
        ("campaign_score", pa.float64()),
        ("language_hint", pa.string()),
        ("media", _STRINGS),
        ("reply_to", pa.string()),
        ("repost_of", pa.string()),
        ("likes", pa.int64()),
        ("reposts", pa.int64()),
        ("replies", pa.int64()),
        ("url", pa.string()),
        ("edited_at", _TIME),
        ("collected_at", _TIME),
        ("created_at_is_estimate", pa.bool_()),
        ("model_name", pa.string()),
        ("model_version", pa.string()),
        ("model_runtime", pa.string()),
        ("model_precision", pa.string()),
        ("enriched_at", _TIME),
        *_PLACE,
    ]
)
DELETION_SCHEMA = pa.schema([("source", pa.string()), ("id", pa.string()), ("deleted_at", _TIME), *_PLACE])

FORGOTTEN_SCHEMA = pa.schema([("source", pa.string()), ("id", pa.string()), ("forgotten_at", _TIME)])
"""The posts that every run forgot, for good: one folder for all runs, which retention leaves alone."""

FOLDERS = [("run", pa.string()), ("date", pa.date32()), ("hour", pa.string())]
"""The columns that the folders of posts and deletions give."""

_FILE_NAME = re.compile(
    r"(?P<topic>.+)-(?P<partition>\d+)-(?P<first>\d+)-(?P<last>\d+)(?:\.\d+|\.r[0-9a-f]{8})?\.parquet"
)


class Span(NamedTuple):
    """All rows of one folder that stand in this stretch of a partition, both ends included."""

    topic: str
    partition: int
    first: int
    last: int

    def file_name(self, copy: int = 0) -> str:
        """`copy` tells files apart that hold the same offsets of a topic that was deleted and made anew."""
        suffix = f".{copy}" if copy else ""
        return f"{self.topic}-{self.partition}-{self.first:012}-{self.last:012}{suffix}.parquet"

    def rewritten_name(self) -> str:
        """A name that no other file has or had: a crash must not let two rewrites meet in one file."""
        return f"{self.topic}-{self.partition}-{self.first:012}-{self.last:012}.r{secrets.token_hex(4)}.parquet"

    def overlaps(self, other: Span) -> bool:
        same = (self.topic, self.partition) == (other.topic, other.partition)
        return same and self.first <= other.last and other.first <= self.last


def parse_file_name(name: str) -> Span | None:
    """The span that a file holds, None for a file that is not ours."""
    match = _FILE_NAME.fullmatch(name)
    return match and Span(match["topic"], int(match["partition"]), int(match["first"]), int(match["last"]))


def folder_of(message: EnrichedMessage, run: str) -> str:
    """Where a message belongs in the lake: by kind, run, and date and hour of its event time (UTC)."""
    if isinstance(message, EnrichedPost):
        kind, at = POSTS, message.post.created_at
    else:
        kind, at = DELETIONS, message.deleted_at
    return f"{kind}/run={run}/date={at:%Y-%m-%d}/hour={at:%H}"


def schema_of(name: str) -> pa.Schema:
    """The schema of a folder of the lake, or of a file in it."""
    return {POSTS: POST_SCHEMA, DELETIONS: DELETION_SCHEMA, FORGOTTEN: FORGOTTEN_SCHEMA}[name.partition("/")[0]]


def to_table(rows: Sequence[Row], schema: pa.Schema) -> pa.Table:
    """Rows of one kind as a table."""
    columns = zip(*[_values(row) for row in rows], strict=True)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _values(row: Row) -> tuple[Any, ...]:
    """In the order of the schema."""
    message, place = row.message, (row.record.partition, row.record.offset)
    if isinstance(message, Deletion):
        return (message.source, message.id, message.deleted_at, *place)
    post, model = message.post, message.model
    return (
        post.source,
        post.id,
        post.created_at,
        post.text,
        post.author,
        post.hashtags,
        message.language.code,
        message.language.score,
        message.sentiment.label,
        message.sentiment.negative,
        message.sentiment.neutral,
        message.sentiment.positive,
        [topic.name for topic in message.topics],
        [topic.score for topic in message.topics],
        message.campaign.name,
        message.campaign.score,
        post.language_hint,
        post.media,
        post.reply_to,
        post.repost_of,
        post.engagement.likes,
        post.engagement.reposts,
        post.engagement.replies,
        post.url,
        post.edited_at,
        post.collected_at,
        post.created_at_is_estimate,
        model.name,
        model.version,
        model.runtime,
        model.precision,
        message.enriched_at,
        *place,
    )
