"""What travels through Kafka: the messages, and the only functions that turn them into bytes and back.

Messages are JSON with a `type` tag; the version of the schema is a Kafka header. Later versions only add optional
fields, so a reader ignores what it does not know and refuses a version above its own.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import takewhile
from typing import Annotated, ClassVar, Literal, TypeVar, get_args

import msgspec

from streams.errors import BadMessage

SCHEMA_VERSION = 1
_DEAD_LETTER_OVERHEAD = 8_192  # of a letter's error, key, headers and place
VERSION_HEADER = "tagpulse-schema"
ATTEMPTS_HEADER = "tagpulse-attempts"
ORIGIN_HEADER = "tagpulse-origin"
"""Where the record stands that this one was made of: `topic[partition]@offset`, as `record_location` writes it."""

HEADERS: tuple[tuple[str, bytes], ...] = ((VERSION_HEADER, str(SCHEMA_VERSION).encode()),)

Headers = Iterable[tuple[str, bytes | None]]

Time = Annotated[datetime, msgspec.Meta(tz=True)]
Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Source = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[^\s:]+(?!\s)$")]
PostId = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]

SentimentLabel = Literal["negative", "neutral", "positive"]
SENTIMENTS: tuple[SentimentLabel, ...] = get_args(SentimentLabel)

Reason = Literal[
    "empty",  # a record without a value
    "malformed",  # the bytes are not JSON in UTF-8
    "invalid",  # JSON, but not one of our messages
    "unknown_version",  # written by a newer tagpulse
    "oversize",  # larger than the limit of the settings
    "enrichment_failed",  # the model raised on this post alone
    "sink_refused",  # a sink cannot hold this row
]
REASONS: tuple[Reason, ...] = get_args(Reason)

_HASHTAG_START = re.compile(r"(?<![\w&/#])[#\uff03]([^\s#\uff03]+)")
_LOCATION = re.compile(r"(.+)\[(-?\d+)\]@(-?\d+)", re.DOTALL)
_JOINERS = "_\u200c\u200d"
_DETAIL_LENGTH = 300


class _Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """Base of everything that travels. Unknown fields are ignored: a later version may have added them.

    Times become UTC, however they were written; a naive one is refused.
    """

    _times: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        for name in self._times:
            time = getattr(self, name)
            if time is not None and time.tzinfo is not UTC:
                msgspec.structs.force_setattr(self, name, _to_utc(name, time))


def _to_utc(name: str, time: datetime) -> datetime:
    if time.tzinfo is None:
        raise ValueError(f"{name} has no time zone")
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{name} is out of range") from None


class Engagement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How often a post was liked, reposted and answered when it was collected."""

    likes: Count = 0
    reposts: Count = 0
    replies: Count = 0


class Post(_Message, frozen=True, kw_only=True, omit_defaults=True, tag="post"):
    """A post as its author wrote it. An edit is the same `source` and `id` with a newer `edited_at`."""

    _times = ("created_at", "edited_at", "collected_at")

    source: Source
    id: PostId
    text: str
    created_at: Time
    author: str = ""
    hashtags: tuple[str, ...] = ()
    """Lower case, without the sign."""
    language_hint: str | None = None
    media: tuple[str, ...] = ()
    """The kinds of media attached: `image`, `video`, `link`, …"""
    reply_to: str | None = None
    repost_of: str | None = None
    engagement: Engagement = Engagement()
    url: str | None = None
    edited_at: Time | None = None
    collected_at: Time | None = None
    created_at_is_estimate: bool = False
    """The network gave no usable time: `created_at` is the time of collection."""

    @property
    def key(self) -> bytes:
        return message_key(self.source, self.id)


class Deletion(_Message, frozen=True, kw_only=True, omit_defaults=True, tag="deletion"):
    """The author deleted the post: every sink removes it."""

    _times = ("deleted_at",)

    source: Source
    id: PostId
    deleted_at: Time

    @property
    def key(self) -> bytes:
        return message_key(self.source, self.id)


class Language(msgspec.Struct, frozen=True, kw_only=True):
    """A BCP-47 code (`und`: no language) and its probability."""

    code: str
    score: Probability


class Sentiment(msgspec.Struct, frozen=True, kw_only=True):
    """The most probable label and the calibrated probabilities of all three."""

    label: SentimentLabel
    negative: Probability
    neutral: Probability
    positive: Probability


class TopicScore(msgspec.Struct, frozen=True, kw_only=True):
    """A topic that the post is about, with its probability."""

    name: str
    score: Probability


class CampaignScore(msgspec.Struct, frozen=True, kw_only=True):
    """The best topic of the campaign file, or None when none of them fits."""

    name: str | None
    score: Probability


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which model gave the answers, what computed it (`openvino`, …) and in which numbers (`int8`, `f32`, `f16`)."""

    name: str
    version: str
    runtime: str | None = None
    precision: str | None = None


class EnrichedPost(_Message, frozen=True, kw_only=True, omit_defaults=True, tag="enriched_post"):
    """A post and what the model read in it."""

    _times = ("enriched_at",)

    post: Post
    language: Language
    sentiment: Sentiment
    topics: tuple[TopicScore, ...]
    campaign: CampaignScore
    model: ModelInfo
    enriched_at: Time

    @property
    def key(self) -> bytes:
        return self.post.key


class DeadLetter(_Message, frozen=True, kw_only=True, omit_defaults=True, tag="dead_letter"):
    """A record that could not be handled, with its bytes untouched."""

    _times = ("failed_at",)

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    reason: str
    """One of `REASONS`; a plain string, so that older readers can read newer reasons."""
    error: str
    attempts: int
    failed_at: Time
    cut: bool = False
    """The record did not fit: what is kept of it is not all, and `error` says how much."""

    @property
    def origin(self) -> str:
        return record_location(self.topic, self.partition, self.offset)


class DeadLetterOutcome(_Message, frozen=True, kw_only=True, omit_defaults=True, tag="dead_letter_outcome"):
    """What became of a dead letter: it stands behind the letter, in the same partition of the same topic."""

    _times = ("at",)

    partition: int
    offset: int
    """Of the letter."""
    outcome: str
    """`retried` or `dropped`; a plain string, so that older readers can read newer outcomes."""
    attempts: int
    """Those of the letter."""
    at: Time
    sent_to: str | None = None
    """Where a retried record stands now: `topic[partition]@offset`."""


RawMessage = Post | Deletion
EnrichedMessage = EnrichedPost | Deletion
DeadMessage = DeadLetter | DeadLetterOutcome
Message = Post | Deletion | EnrichedPost | DeadLetter | DeadLetterOutcome

M = TypeVar("M")

_ENCODER = msgspec.json.Encoder()
_RAW: msgspec.json.Decoder[RawMessage] = msgspec.json.Decoder(RawMessage)
_ENRICHED: msgspec.json.Decoder[EnrichedMessage] = msgspec.json.Decoder(EnrichedMessage)
_DEAD: msgspec.json.Decoder[DeadMessage] = msgspec.json.Decoder(DeadMessage)
_ANY: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def encode(message: Message) -> bytes:
    """The message as JSON in UTF-8."""
    return _ENCODER.encode(message)


def decode_raw(value: bytes | None, headers: Headers = ()) -> RawMessage:
    """Reads a record of `posts.raw`. Raises BadMessage."""
    return _decode(_RAW, value, headers)


def decode_enriched(value: bytes | None, headers: Headers = ()) -> EnrichedMessage:
    """Reads a record of `posts.enriched`. Raises BadMessage."""
    return _decode(_ENRICHED, value, headers)


def decode_dead(value: bytes | None, headers: Headers = ()) -> DeadMessage:
    """Reads a record of `posts.dead`. Raises BadMessage."""
    return _decode(_DEAD, value, headers)


def decode_any(value: bytes | None, headers: Headers = ()) -> Message:
    """Reads a record of any topic. Raises BadMessage."""
    return _decode(_ANY, value, headers)


def _decode(decoder: msgspec.json.Decoder[M], value: bytes | None, headers: Headers) -> M:
    for name, version in headers or ():
        if name == VERSION_HEADER and not _is_known(version):
            text = repr(version)[:40]
            raise BadMessage("unknown_version", f"schema version {text}, this tagpulse reads 1 to {SCHEMA_VERSION}")
    if not value:
        raise BadMessage("empty", "the record has no value")
    try:
        message: M = decoder.decode(value)
    except msgspec.ValidationError as error:
        raise BadMessage("invalid", str(error)[:_DETAIL_LENGTH]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessage("malformed", str(error)[:_DETAIL_LENGTH]) from None
    return message


def _is_known(version: bytes | None) -> bool:
    return version is not None and version.isdigit() and 1 <= int(version[:9]) <= SCHEMA_VERSION


def message_key(source: str, post_id: str) -> bytes:
    """The Kafka key: one partition, and so one order, for everything about a post."""
    return f"{source}:{post_id}".encode()


def record_location(topic: str, partition: int, offset: int) -> str:
    """Where a record stands, as every error and log line writes it."""
    return f"{topic}[{partition}]@{offset}"


def origin_of(headers: Headers) -> str | None:
    """What the origin header of a record says; None without one."""
    return next((value.decode() for name, value in headers if name == ORIGIN_HEADER and value), None)


def parse_location(location: str) -> tuple[str, int, int]:
    """Topic, partition and offset of what `record_location` wrote. Raises ValueError."""
    found = _LOCATION.fullmatch(location)
    if found is None:
        raise ValueError(f"{location!r} is no topic[partition]@offset")
    return found[1], int(found[2]), int(found[3])


def fit_dead_letter(value: bytes, limit: int) -> tuple[bytes, str]:
    """As much of a record's bytes as a dead letter of `limit` bytes can hold (in base64), and a word about a cut."""
    room = (limit - _DEAD_LETTER_OVERHEAD) * 3 // 4
    return (value, "") if len(value) <= room else (value[:room], f"; cut to the first {room} of {len(value)} bytes")


def record_time_ms(message: RawMessage, *, collected_at: datetime) -> int:
    """The record's time: the post's own, but never later than its collection, since Kafka refuses times ahead."""
    own = message.created_at if isinstance(message, Post) else message.deleted_at
    return max(0, int(min(own, collected_at).timestamp() * 1000))


def find_hashtags(text: str) -> tuple[str, ...]:
    """The hashtags in a text of any script, as `normalise_hashtags` writes them; `#1` is no hashtag."""
    runs = ("".join(takewhile(_continues_hashtag, run)) for run in _HASHTAG_START.findall(text))
    return normalise_hashtags([run for run in runs if any(map(str.isalpha, run))])


def _continues_hashtag(character: str) -> bool:
    # Marks are no word characters to `re`, but many scripts write their vowels as marks: #हिन्दी, #ไทย.
    return unicodedata.category(character)[0] in "LMN" or character in _JOINERS


def normalise_hashtags(hashtags: Sequence[str]) -> tuple[str, ...]:
    """Without the sign, lower case and in Unicode's form NFKC, so that equal tags are equal strings; each once, in order."""
    cleaned = (unicodedata.normalize("NFKC", tag).lower().strip(string.whitespace + "#") for tag in hashtags)
    return tuple(dict.fromkeys(tag for tag in cleaned if tag))


def utc_now() -> datetime:
    """The clock of everything that is not given one."""
    return datetime.now(UTC)
