"""Posts, as collected and as enriched by the model."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from models.enrichment import Enrichment
from streams.contracts.hashtags import bounded_hashtags
from streams.contracts.message import Count, MessageBase, Time

Source = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[^\s:]+(?!\s)$")]
PostId = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class Engagement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The number of likes, reposts and replies of a post at the time it was collected."""

    likes: Count = 0
    reposts: Count = 0
    replies: Count = 0


_UNCOUNTED = Engagement()


class Post(MessageBase, frozen=True, kw_only=True, omit_defaults=True, tag="post"):
    """A post as its author wrote it. An edit has the same `source` and `id` and a newer `edited_at`."""

    _times = ("created_at", "edited_at", "collected_at", "author_created_at")

    source: Source
    id: PostId
    text: str
    created_at: Time
    author: str = ""
    hashtags: tuple[str, ...] = ()
    """Lower case, without the sign; limited as described in `streams.contracts.hashtags`."""
    language_hint: str | None = None
    media: tuple[str, ...] = ()
    """Kinds of attached media: `image`, `video`, `link`, …"""
    reply_to: str | None = None
    repost_of: str | None = None
    engagement: Engagement = _UNCOUNTED
    url: str | None = None
    edited_at: Time | None = None
    collected_at: Time | None = None
    created_at_is_estimate: bool = False
    """Whether `created_at` is the time at which the network, or else tagpulse, first saw the post, because the author's
    time was missing or implausible."""
    author_created_at: Time | None = None
    """The author's time, if `created_at` replaces it."""

    def __post_init__(self) -> None:
        MessageBase.__post_init__(self)
        if self.hashtags and (hashtags := bounded_hashtags(self.hashtags)) is not self.hashtags:
            msgspec.structs.force_setattr(self, "hashtags", hashtags)
        # msgspec omits a default by identity, so equal posts must share it to be encoded alike
        if self.engagement == _UNCOUNTED:
            msgspec.structs.force_setattr(self, "engagement", _UNCOUNTED)

    @property
    def key(self) -> bytes:
        return message_key(self.source, self.id)


class Deletion(MessageBase, frozen=True, kw_only=True, omit_defaults=True, tag="deletion"):
    """The deletion of a post by its author: every sink removes the post."""

    _times = ("deleted_at",)

    source: Source
    id: PostId
    deleted_at: Time

    @property
    def key(self) -> bytes:
        return message_key(self.source, self.id)


class EnrichedPost(MessageBase, Enrichment, frozen=True, kw_only=True, omit_defaults=True, tag="enriched_post"):
    """A post with the answer of the model."""

    _times = ("enriched_at",)

    post: Post
    enriched_at: Time

    @property
    def key(self) -> bytes:
        return self.post.key


RawMessage = Post | Deletion
EnrichedMessage = EnrichedPost | Deletion


def message_key(source: str, post_id: str) -> bytes:
    """Return the Kafka key of a post: all messages about it are in one partition, and therefore in order."""
    return f"{source}:{post_id}".encode()


def record_time_ms(message: RawMessage, *, collected_at: datetime) -> int:
    """Return the timestamp of a message's record, in milliseconds since 1970.

    It is the message's own time, but no later than its collection, since Kafka refuses timestamps in the future.
    """
    own = message.created_at if isinstance(message, Post) else message.deleted_at
    return max(0, int(min(own, collected_at).timestamp() * 1000))
