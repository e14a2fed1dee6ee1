"""The data that a minute keeps of a post, extracted once when the post arrives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from models.text import prepare
from streams.contracts import FIRST_MINUTE, LAST_MINUTE, SEVERAL, EnrichedPost, Post, SentimentLabel
from streams.minutes.text import fingerprint, is_question, is_repost, original, words

TEXT_CHARACTERS = 280
"""Characters of a text that are shown and compared with other texts."""
_MAX_NAME = 100

MINUTE_SECONDS = 60.0


def event_time(post: Post, record_ms: int) -> float:
    """Return the event time of a post in seconds since 1970: its own time, but no later than its collection.

    `record_ms`, the timestamp of its record, is used if the post has no collection time.
    """
    collected = post.collected_at.timestamp() if post.collected_at else record_ms / 1000
    seconds = min(post.created_at.timestamp(), collected)
    return min(max(seconds, FIRST_MINUTE.timestamp()), LAST_MINUTE.timestamp())


def minute_of(seconds: float) -> int:
    """Return the number of a minute, counted since 1970, from seconds since 1970."""
    return int(seconds // MINUTE_SECONDS)


def time_of(minute: int) -> datetime:
    """Return the start of a minute, given its number since 1970."""
    return datetime.fromtimestamp(minute * MINUTE_SECONDS, UTC)


@dataclass(frozen=True, slots=True)
class CountedPost:
    """A version of a post, assigned to its minute."""

    key: bytes
    minute: int
    order: tuple[bool, float, float, int]
    """The greatest version of a post wins: an edit beats an unedited post, then the later one wins."""
    created: float
    label: SentimentLabel
    probabilities: tuple[float, float, float]
    language: str
    labels: Mapping[str, tuple[str, ...]]
    """The labels of each answer in `SEVERAL`."""
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
    """The start of the post's text."""
    prepared: str
    """The start of the text as prepared for the model, without a repost prefix; the same for posts that differ only in
    links and mentions."""
    fingerprint: str
    """Fingerprint of the text, the same for all copies."""
    url: str | None
    reposts: int
    """Number of reposts according to the network."""


def count_post(enriched: EnrichedPost, record_ms: int, offset: int) -> CountedPost:
    """Return the data to count of a post, given the timestamp and the offset of its record."""
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
        labels={name: tuple(dict.fromkeys(label.name for label in getattr(enriched, name))) for name in SEVERAL},
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
        fingerprint=fingerprint(text),
        url=post.url,
        reposts=post.engagement.reposts,
    )
