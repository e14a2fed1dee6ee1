"""The minutes of a hashtag, and the spikes found in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, get_args

import msgspec

from models.enrichment import Probability
from streams.contracts.message import Count, Int64, MessageBase, Time

SensitivityName = Literal["low", "middle", "high"]
DEFAULT_SENSITIVITY: SensitivityName = "middle"
SENSITIVITY_NAMES: tuple[SensitivityName, ...] = get_args(SensitivityName)
SpikeKind = Literal["negative", "volume", "silence"]
SPIKE_KINDS: tuple[SpikeKind, ...] = get_args(SpikeKind)
SpikeState = Literal["open", "growing", "closed"]

END_OF_INPUT = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
"""The watermark of a partition that has no further posts."""
FIRST_MINUTE = datetime(1970, 1, 1, tzinfo=UTC)
LAST_MINUTE = datetime(9998, 12, 31, 23, 59, tzinfo=UTC)
"""Times from `FIRST_MINUTE` to `LAST_MINUTE` leave room for date arithmetic."""


class _PulseBase(MessageBase, frozen=True, kw_only=True, omit_defaults=True):
    def __post_init__(self) -> None:
        MessageBase.__post_init__(self)
        for name in self._times:
            time = getattr(self, name)
            is_end = name == "watermark" and time == END_OF_INPUT
            if time is not None and not is_end and not FIRST_MINUTE <= time <= LAST_MINUTE:
                raise ValueError(f"{name} is out of range")


class SentimentCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Number of posts by sentiment label."""

    negative: Count = 0
    neutral: Count = 0
    positive: Count = 0

    @property
    def posts(self) -> int:
        return self.negative + self.neutral + self.positive


class Excerpt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A representative post; its text is truncated but otherwise unchanged."""

    source: str
    id: str
    text: str
    created_at: Time
    negative: Probability
    author: str = ""
    url: str | None = None
    shared: Count = 0
    """Number of reposts: the network's count or the number seen in the stream, whichever is greater."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The data behind an explanation; each field is limited to its most frequent entries."""

    terms: dict[str, SentimentCounts] = msgspec.field(default_factory=dict)
    """Posts by word or hashtag (with its sign)."""
    authors: dict[str, SentimentCounts] = msgspec.field(default_factory=dict)
    texts: dict[str, SentimentCounts] = msgspec.field(default_factory=dict)
    """Posts with the same text, keyed by its first characters."""
    negative: tuple[Excerpt, ...] = ()
    """Most negative first."""
    shared: tuple[Excerpt, ...] = ()
    """Most shared first."""


class PulseMinute(_PulseBase, frozen=True, kw_only=True, omit_defaults=True, tag="pulse_minute"):
    """One partition's part of a hashtag's minute: counts of the posts of `posts.enriched`, in event time.

    A later message for the same minute, hashtag and partition replaces an earlier one.
    """

    _times = ("minute", "watermark")

    minute: Time
    """Start of the minute (UTC)."""
    hashtag: str
    partition: Int64
    watermark: Time
    """Event time up to which this partition is complete; anything earlier is late."""
    final: bool = False
    """Whether this part can no longer change: the minute is older than TAGPULSE_WATCH__LATENESS_SECONDS."""
    sentiments: SentimentCounts = SentimentCounts()
    independent: SentimentCounts = SentimentCounts()
    """The same counts without reposts, counting each text and each author once."""
    fingerprints: dict[str, bool] = msgspec.field(default_factory=dict)
    """Fingerprints of the independent posts' texts, and whether each post is negative, to recognise copies in other
    partitions and minutes. Limited to the most frequent texts."""
    probabilities: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Sums of the posts' probabilities: negative, neutral, positive."""
    languages: dict[str, SentimentCounts] = msgspec.field(default_factory=dict)
    topics: dict[str, SentimentCounts] = msgspec.field(default_factory=dict)
    emotions: dict[str, SentimentCounts] = msgspec.field(default_factory=dict)
    acts: dict[str, SentimentCounts] = msgspec.field(default_factory=dict)
    campaign_topics: dict[str, SentimentCounts] = msgspec.field(default_factory=dict)
    sources: dict[str, SentimentCounts] = msgspec.field(default_factory=dict)
    reposts: Count = 0
    questions: Count = 0
    evidence: Evidence = Evidence()

    @property
    def key(self) -> bytes:
        return self.hashtag.encode()


class Driver(msgspec.Struct, frozen=True, kw_only=True):
    """A name, such as a term, an emotion or a language, that is more frequent in a spike than before it."""

    name: str
    posts: Count
    share: Probability
    """Share of the spike's posts (in a negative spike, of its negative posts, except for emotions and acts)."""
    baseline: Probability
    """The same share before the spike."""
    score: float
    """Log-odds ratio with a prior, in standard deviations: how certain the increase is."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The drivers of a spike, strongest first."""

    summary: str = ""
    """Plain text, one to three sentences."""
    terms: tuple[Driver, ...] = ()
    topics: tuple[Driver, ...] = ()
    emotions: tuple[Driver, ...] = ()
    acts: tuple[Driver, ...] = ()
    campaign_topics: tuple[Driver, ...] = ()
    languages: tuple[Driver, ...] = ()
    sources: tuple[Driver, ...] = ()
    typical: tuple[Excerpt, ...] = ()
    shared: tuple[Excerpt, ...] = ()
    top_author: str = ""
    top_author_share: Probability = 0.0
    top_text: str = ""
    top_text_share: Probability = 0.0


class Spike(_PulseBase, frozen=True, kw_only=True, omit_defaults=True, tag="spike"):
    """A spike in negative posts or in volume, or a silence; sent when it opens, while it grows and when it closes."""

    _times = ("opened_at", "known_at", "closed_at", "at")

    id: str
    """The same in every message about the spike, and in every replay of the same posts."""
    kind: SpikeKind
    hashtag: str
    state: SpikeState
    sensitivity: str
    opened_at: Time
    """Start of its first minute."""
    known_at: Time
    """Event time at which it was detected."""
    at: Time
    """Event time of this message."""
    closed_at: Time | None = None
    posts: Count = 0
    """Number of posts since it opened."""
    negative: Count = 0
    share: Probability | None = None
    """Share of negative posts since it opened; `low` and `high` are its 95 % confidence interval."""
    low: Probability | None = None
    high: Probability | None = None
    baseline: Probability | None = None
    rate: float | None = None
    """Posts per minute since it opened."""
    usual_rate: float | None = None
    explanation: Explanation = Explanation()

    @property
    def key(self) -> bytes:
        return self.hashtag.encode()
