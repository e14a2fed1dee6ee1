"""Enriched posts for the watch, and the minutes that must result, computed in memory straight from the definition."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, NamedTuple

import msgspec

from streams.contracts import (
    CampaignScore,
    Deletion,
    EnrichedMessage,
    EnrichedPost,
    LabelScore,
    Language,
    ModelInfo,
    Post,
    PulseMinute,
    Sentiment,
    SentimentLabel,
    decode_enriched,
    decode_minute,
)
from streams.metrics import OTHER
from streams.minutes.part import make_part
from streams.minutes.post import CountedPost, count_post, minute_of
from streams.settings import Settings
from tests.helpers.records import read_all

START = datetime(2026, 6, 20, 9, tzinfo=UTC)
_SCORES: dict[SentimentLabel, tuple[float, float, float]] = {
    "negative": (0.8, 0.15, 0.05),
    "neutral": (0.1, 0.8, 0.1),
    "positive": (0.05, 0.15, 0.8),
}


class Item(NamedTuple):
    """A record of one partition of `posts.enriched`."""

    offset: int
    record_ms: int
    message: EnrichedMessage


Content = dict[tuple[datetime, str, int], PulseMinute]
"""Parts without their watermarks, by minute, hashtag and partition."""


def enriched(
    number: int | str,
    seconds: float,
    label: SentimentLabel = "neutral",
    *,
    text: str = "",
    hashtags: Sequence[str] = ("poltwt",),
    edited: float | None = None,
    **changes: Any,
) -> EnrichedPost:
    """Return a post that was written `seconds` after START."""
    negative, neutral, positive = _SCORES[label]
    post = Post(
        source="test",
        id=str(number),
        text=text or f"post number {number}",
        created_at=START + timedelta(seconds=seconds),
        edited_at=None if edited is None else START + timedelta(seconds=edited),
        collected_at=START + timedelta(days=1),
        hashtags=tuple(hashtags),
        author=f"author {number}",
    )
    return EnrichedPost(
        post=msgspec.structs.replace(post, **changes),
        language=Language(code="en", score=0.9),
        sentiment=Sentiment(label=label, negative=negative, neutral=neutral, positive=positive),
        topics=(LabelScore(name="sports", score=0.7),),
        campaign=CampaignScore(name=None, score=0.0),
        model=ModelInfo(name="test", version="1"),
        enriched_at=START + timedelta(days=1),
    )


def deletion(number: int | str, seconds: float) -> Deletion:
    return Deletion(source="test", id=str(number), deleted_at=START + timedelta(seconds=seconds))


def items(messages: Iterable[EnrichedMessage]) -> list[Item]:
    """Return the messages as records of a partition."""
    return [Item(offset, 0, message) for offset, message in enumerate(messages)]


def fold(
    partitions: Mapping[int, Sequence[Item]], hashtags: Sequence[str] = (), lateness_seconds: float = 600.0
) -> Content:
    """Return the final parts of a complete topic for the hashtags of a campaign; without hashtags, for all of them."""
    found: Content = {}
    for partition, records in partitions.items():
        for minute, posts in _posts_by_minute(records, ceil(lateness_seconds / 60)).items():
            groups: defaultdict[str, list[CountedPost]] = defaultdict(list)
            for post in posts:
                tags = [tag for tag in dict.fromkeys(post.hashtags) if not hashtags or tag in hashtags]
                for tag in tags or [OTHER]:
                    groups[tag].append(post)
            for tag, group in groups.items():
                part = make_part(partition, minute, tag, group)
                found[part.minute, tag, partition] = msgspec.structs.replace(part, final=True)
    return found


def _posts_by_minute(records: Sequence[Item], lateness: int) -> dict[int, list[CountedPost]]:
    """Return the newest version of each post, by minute, without posts that were deleted or came too late."""
    latest: int | None = None
    newest: dict[bytes, CountedPost] = {}
    done: defaultdict[int, list[CountedPost]] = defaultdict(list)
    deleted: dict[bytes, tuple[float, int]] = {}
    for record in records:
        message = record.message
        if isinstance(message, Deletion):
            at = max(message.deleted_at.timestamp(), deleted.get(message.key, (0.0, 0))[0])
            if latest is not None:
                deleted[message.key] = (at, latest)
            post = newest.get(message.key)
            if post and not (post.order[0] and post.order[1] > message.deleted_at.timestamp()):
                del newest[message.key]
            continue
        post = count_post(message, record.record_ms, record.offset)
        if latest is not None and post.minute < latest - lateness:
            continue
        gone = deleted.get(post.key)
        if not (gone and post.minute <= gone[1] and not (post.order[0] and post.order[1] > gone[0])):
            before = newest.get(post.key)
            if before is None or before.order < post.order:
                newest[post.key] = post
        minute = minute_of(message.post.created_at.timestamp())
        if latest is None or minute > latest:
            latest = minute
            for key in [key for key, kept in newest.items() if kept.minute < latest - lateness]:
                kept = newest.pop(key)
                done[kept.minute].append(kept)
            for key in [key for key, (_, until) in deleted.items() if until < latest - lateness]:
                del deleted[key]
    for kept in newest.values():
        done[kept.minute].append(kept)
    return done


def last_parts(parts: Iterable[PulseMinute]) -> Content:
    """Return the last version of each part that has or had posts. Fail if a final part changes."""
    found: Content = {}
    for part in parts:
        key = part.minute, part.hashtag, part.partition
        content = msgspec.structs.replace(part, watermark=START)
        known = found.get(key)
        if known is not None and known.final:
            assert content == known or not content.final, f"a final part changed: {key}"
            continue
        if part.sentiments.posts or known is not None:
            found[key] = content
    return {key: part for key, part in found.items() if part.sentiments.posts or not part.final}


def content(parts: Content) -> Content:
    """Return parts that can be compared with `last_parts`."""
    return {key: msgspec.structs.replace(part, watermark=START) for key, part in parts.items()}


def parts_of(records: Iterable[Any]) -> list[PulseMinute]:
    """Return the parts in records from `read_all`."""
    return [decode_minute(record.value) for record in records]


def topic_items(settings: Settings) -> dict[int, list[Item]]:
    """Read `posts.enriched` and return its records by partition."""
    found: defaultdict[int, list[Item]] = defaultdict(list)
    for record in read_all(settings.kafka, settings.topics.enriched):
        found[record.partition].append(Item(record.offset, record.timestamp, decode_enriched(record.value)))
    return dict(found)
