"""Enriched posts, deletions and their rows, for tests of the sinks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from streams.contracts import (
    CampaignScore,
    Deletion,
    Engagement,
    EnrichedMessage,
    EnrichedPost,
    LabelScore,
    Language,
    ModelInfo,
    Post,
    Sentiment,
)
from streams.runtime.lossless import Record
from streams.sinks.base import Row

START = datetime(2026, 6, 20, 9, 30, tzinfo=UTC)
DAY = START.date()
ODD = [datetime(1, 1, 1, tzinfo=UTC), datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]
ODD += [datetime(2100, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]
"""Times in the distant centuries that share a table or a folder."""


def enriched(post_id: str, *, minutes: int = 0, text: str = "hello", edited_at: datetime | None = None) -> EnrichedPost:
    post = Post(
        source="test", id=post_id, text=text, created_at=START + timedelta(minutes=minutes), edited_at=edited_at
    )
    return EnrichedPost(
        post=post,
        language=Language(code="en", score=0.9),
        sentiment=Sentiment(label="neutral", negative=0.1, neutral=0.8, positive=0.1),
        topics=(),
        campaign=CampaignScore(name=None, score=0.1),
        model=ModelInfo(name="constant", version="1", runtime="openvino", precision="int8"),
        enriched_at=START,
    )


def row(offset: int, message: EnrichedMessage, partition: int = 0) -> Row:
    return Row(Record("posts.enriched", partition, offset, 0, message.key, b"", ()), message)


def deletion(post_id: str, minutes: int = 0) -> Deletion:
    return Deletion(source="test", id=post_id, deleted_at=START + timedelta(minutes=minutes))


def changed(message: EnrichedPost, **values: object) -> EnrichedPost:
    """Return a copy of the message with other values in its post."""
    return msgspec.structs.replace(message, post=msgspec.structs.replace(message.post, **values))


def full(post_id: str) -> EnrichedPost:
    """Return a post with all fields set, and every character that is special in COPY."""
    post = Post(
        source="test",
        id=post_id,
        text='a\\b\tc\nd\re "f" {g,h} \\N \\. 🐕 ẞ',
        created_at=START,
        author="@näme",
        hashtags=("poltwt", 'q"u\\ote', "a,b", "{}", "", "null", "l\nf"),
        language_hint="de",
        media=("image", "video"),
        reply_to="1\t2",
        repost_of="\\N",
        engagement=Engagement(likes=2**63 - 1, reposts=2, replies=3),
        url="https://example.org/?a=1&b=\\2",
        edited_at=START + timedelta(microseconds=1),
        collected_at=START + timedelta(seconds=2),
        created_at_is_estimate=True,
        author_created_at=datetime(1, 1, 1, tzinfo=UTC),
    )
    topics = (LabelScore(name="sports", score=1 / 3), LabelScore(name='"x"', score=1e-300))
    emotions, acts = (LabelScore(name="anger", score=0.7),), (LabelScore(name="question", score=2 / 3),)
    campaign = CampaignScore(name="police dogs", score=0.75, scores={"police dogs": 0.75, '"x"': 1e-300})
    return msgspec.structs.replace(
        enriched(post_id), post=post, topics=topics, emotions=emotions, acts=acts, campaign=campaign
    )


def by(author: str, message: EnrichedPost) -> EnrichedPost:
    return changed(message, author=author)


def at(time: datetime, post_id: str, collected_at: datetime | None = None) -> EnrichedPost:
    return changed(enriched(post_id), created_at=time, collected_at=collected_at)
