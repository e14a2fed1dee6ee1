"""The shape of the Parquet lake: its folders, its columns, its file names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from streams.contracts import Deletion, EnrichedPost
from streams.sinks.base import Row

POSTS = "posts"
DELETIONS = "deletions"

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

_FILE_NAME = re.compile(r"(?P<topic>.+)-(?P<partition>\d+)-(?P<first>\d+)-(?P<last>\d+)(?:\.\d+)?\.parquet")


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

    def overlaps(self, other: Span) -> bool:
        same = (self.topic, self.partition) == (other.topic, other.partition)
        return same and self.first <= other.last and other.first <= self.last


def parse_file_name(name: str) -> Span | None:
    """The span that a file holds, None for a file that is not ours."""
    match = _FILE_NAME.fullmatch(name)
    return match and Span(match["topic"], int(match["partition"]), int(match["first"]), int(match["last"]))


def folder_of(row: Row, run: str) -> Path:
    """Where a row belongs, relative to the lake: by kind, run, and date and hour of its event time (UTC)."""
    if isinstance(row.message, EnrichedPost):
        kind, at = POSTS, row.message.post.created_at
    else:
        kind, at = DELETIONS, row.message.deleted_at
    return Path(kind, f"run={run}", f"date={at:%Y-%m-%d}", f"hour={at:%H}")


def schema_of(folder: Path) -> pa.Schema:
    """The schema of the files in a folder of the lake."""
    return POST_SCHEMA if folder.parts[0] == POSTS else DELETION_SCHEMA


def to_table(rows: Sequence[Row], schema: pa.Schema) -> pa.Table:
    """Rows of one kind as a table."""
    return pa.Table.from_pylist([_fields(row) for row in rows], schema=schema)


def _fields(row: Row) -> dict[str, Any]:
    message = row.message
    fields = {"kafka_partition": row.record.partition, "kafka_offset": row.record.offset}
    if isinstance(message, Deletion):
        return fields | {"source": message.source, "id": message.id, "deleted_at": message.deleted_at}
    post = message.post
    return fields | {
        "source": post.source,
        "id": post.id,
        "created_at": post.created_at,
        "text": post.text,
        "author": post.author,
        "hashtags": post.hashtags,
        "language": message.language.code,
        "language_score": message.language.score,
        "sentiment": message.sentiment.label,
        "negative": message.sentiment.negative,
        "neutral": message.sentiment.neutral,
        "positive": message.sentiment.positive,
        "topics": [topic.name for topic in message.topics],
        "topic_scores": [topic.score for topic in message.topics],
        "campaign_topic": message.campaign.name,
        "campaign_score": message.campaign.score,
        "language_hint": post.language_hint,
        "media": post.media,
        "reply_to": post.reply_to,
        "repost_of": post.repost_of,
        "likes": post.engagement.likes,
        "reposts": post.engagement.reposts,
        "replies": post.engagement.replies,
        "url": post.url,
        "edited_at": post.edited_at,
        "collected_at": post.collected_at,
        "created_at_is_estimate": post.created_at_is_estimate,
        "model_name": message.model.name,
        "model_version": message.model.version,
        "model_runtime": message.model.runtime,
        "model_precision": message.model.precision,
        "enriched_at": message.enriched_at,
    }
