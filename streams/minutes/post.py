"""What a minute keeps of a post: everything that is counted, found once when the post comes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from models.text import prepare
from streams.contracts import FIRST_MINUTE, LAST_MINUTE, EnrichedPost, Post, SentimentLabel
from streams.minutes.text import fingerprint, is_question, is_repost, original, words

TEXT_CHARACTERS = 280
"""Of a text that is shown or told apart from others."""
_MAX_NAME = 100

MINUTE_SECONDS = 60.0


def event_time(post: Post, record_ms: int) -> float:
    """Seconds since 1970: the post's own time, but never later than its collection, whatever its author's clock said.

    `record_ms`: the time of its record, for a post that does not say when it was collected.
    """
    collected = post.collected_at.timestamp() if post.collected_at else record_ms / 1000
    seconds = min(post.created_at.timestamp(), collected)
    return min(max(seconds, FIRST_MINUTE.timestamp()), LAST_MINUTE.timestamp())


def minute_of(seconds: float) -> int:
    """Minutes since 1970."""
    return int(seconds // MINUTE_SECONDS)


def time_of(minute: int) -> datetime:
    """The begin of a minute."""
    return datetime.fromtimestamp(minute * MINUTE_SECONDS, UTC)


@dataclass(frozen=True, slots=True)
class CountedPost:
    """A version of a post, in the minute to which it belongs."""

    key: bytes
    minute: int
    order: tuple[bool, float, float, int]
    """The greatest of a post's versions stands: edits before what was never edited, then by time of writing."""
    created: float
    label: SentimentLabel
    probabilities: tuple[float, float, float]
    language: str
    topics: tuple[str, ...]
    campaign_topic: str | None
    source: str
    id: str
    repost_of: str | None
    is_repost: bool
    is_question: bool
    author: str
    hashtags: tuple[str, ...]
    words: frozenset[str]
    text: str
    """Its first characters."""
    prepared: str
    """The first characters of what the model read, without the sign of a repost: the same for posts that differ in links
    and mentions only."""
    said: str
    """The mark of the text, the same in all its copies."""
    url: str | None
    reposts: int
    """As its network counted."""


def count_post(enriched: EnrichedPost, record_ms: int, offset: int) -> CountedPost:
    """What is counted of a post, whose record has this time and offset."""
    post, sentiment = enriched.post, enriched.sentiment
    prepared = prepare(post.text)
    text = original(prepared)[:TEXT_CHARACTERS]
    written = post.edited_at or post.created_at
    return CountedPost(
        key=post.key,
        minute=minute_of(event_time(post, record_ms)),
        order=(post.edited_at is not None, written.timestamp(), enriched.enriched_at.timestamp(), offset),
        created=post.created_at.timestamp(),
        label=sentiment.label,
        probabilities=(sentiment.negative, sentiment.neutral, sentiment.positive),
        language=enriched.language.code,
        topics=tuple(dict.fromkeys(topic.name for topic in enriched.topics)),
        campaign_topic=enriched.campaign.name,
        source=post.source,
        id=post.id,
        repost_of=post.repost_of,
        is_repost=post.repost_of is not None or is_repost(prepared),
        is_question=is_question(prepared),
        author=post.author[:_MAX_NAME],
        hashtags=tuple(tag[:_MAX_NAME] for tag in post.hashtags),
        words=words(prepared),
        text=post.text[:TEXT_CHARACTERS],
        prepared=text,
        said=fingerprint(text),
        url=post.url,
        reposts=post.engagement.reposts,
    )
