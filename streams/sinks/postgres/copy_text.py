"""Convert posts to lines of the text format of PostgreSQL's COPY."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from streams.contracts import EnrichedPost
from streams.runtime.lossless import Record

NULL = r"\N"

COLUMNS = (
    "source",
    "id",
    "created_at",
    "text",
    "author",
    "hashtags",
    "language",
    "language_score",
    "sentiment",
    "negative",
    "neutral",
    "positive",
    "topics",
    "topic_scores",
    "campaign_topic",
    "campaign_score",
    "language_hint",
    "media",
    "reply_to",
    "repost_of",
    "likes",
    "reposts",
    "replies",
    "url",
    "edited_at",
    "collected_at",
    "created_at_is_estimate",
    "author_created_at",
    "model_name",
    "model_version",
    "model_runtime",
    "model_precision",
    "enriched_at",
    "kafka_partition",
    "kafka_offset",
)


def line_of(message: EnrichedPost, record: Record) -> bytes:
    """Return a post and the position of its record as a line, with the values in the order of `COLUMNS`.

    Raises UnicodeEncodeError for text that cannot be encoded as UTF-8.
    """
    post, sentiment, model, engagement = message.post, message.sentiment, message.model, message.post.engagement
    fields = (
        _text(post.source),
        _text(post.id),
        post.created_at.isoformat(),
        _text(post.text),
        _text(post.author),
        _array(post.hashtags),
        _text(message.language.code),
        repr(message.language.score),
        sentiment.label,
        repr(sentiment.negative),
        repr(sentiment.neutral),
        repr(sentiment.positive),
        _array([topic.name for topic in message.topics]),
        "{" + ",".join([repr(topic.score) for topic in message.topics]) + "}",
        _optional(message.campaign.name),
        repr(message.campaign.score),
        _optional(post.language_hint),
        _array(post.media),
        _optional(post.reply_to),
        _optional(post.repost_of),
        str(engagement.likes),
        str(engagement.reposts),
        str(engagement.replies),
        _optional(post.url),
        _time(post.edited_at),
        _time(post.collected_at),
        "t" if post.created_at_is_estimate else "f",
        _time(post.author_created_at),
        _text(model.name),
        _text(model.version),
        _optional(model.runtime),
        _optional(model.precision),
        message.enriched_at.isoformat(),
        str(record.partition),
        str(record.offset),
    )
    return ("\t".join(fields) + "\n").encode()


def _text(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")


def _optional(value: str | None) -> str:
    return NULL if value is None else _text(value)


def _time(value: datetime | None) -> str:
    return NULL if value is None else value.isoformat()


def _array(values: Sequence[str]) -> str:
    if not values:
        return "{}"
    quoted = [value.replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return _text('{"' + '","'.join(quoted) + '"}')
