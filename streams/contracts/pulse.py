"""Minutes of a hashtag, and the spikes found in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, get_args

import msgspec

from streams.contracts.message import Count, Int64, MessageBase, Probability, Time

SpikeKind = Literal["negative", "volume", "silence"]
SPIKE_KINDS: tuple[SpikeKind, ...] = get_args(SpikeKind)
SpikeState = Literal["open", "growing", "closed"]

END_OF_INPUT = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
"""The watermark of a partition that has no more posts."""
FIRST_MINUTE = datetime(1970, 1, 1, tzinfo=UTC)
LAST_MINUTE = datetime(9998, 12, 31, 23, 59, tzinfo=UTC)
"""Times between these leave room to count with them."""


class _PulseBase(MessageBase, frozen=True, kw_only=True, omit_defaults=True):
    def __post_init__(self) -> None:
        MessageBase.__post_init__(self)
        for name in self._times:
            time = getattr(self, name)
            is_end = name == "watermark" and time == END_OF_INPUT
            if time is not None and not is_end and not FIRST_MINUTE <= time <= LAST_MINUTE:
                raise ValueError(f"{name} is out of range")


class SentimentCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Posts by the label of their sentiment."""

    negative: Count = 0
    neutral: Count = 0
    positive: Count = 0

    @property
    def posts(self) -> int:
        return self.negative + self.neutral + self.positive


class Excerpt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A post that stands for others: the first characters of its text, untouched otherwise."""

    source: str
    id: str
    text: str
    created_at: Time
    negative: Probability
    author: str = ""
    url: str | None = None
    shared: Count = 0
    """How often it was reposted: as its network counted, or as it was seen here, whichever is more."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an explanation is made of; each part is cut to its most frequent entries."""

    terms: dict[str, SentimentCounts] = msgspec.field(default_factory=dict)
    """Posts with a word or a hashtag (with its sign)."""
    authors: dict[str, SentimentCounts] = msgspec.field(default_factory=dict)
    texts: dict[str, SentimentCounts] = msgspec.field(default_factory=dict)
    """Posts of one text, by its first characters."""
    negative: tuple[Excerpt, ...] = ()
    """The most negative ones first."""
    shared: tuple[Excerpt, ...] = ()
    """The most shared ones first."""


class PulseMinute(_PulseBase, frozen=True, kw_only=True, omit_defaults=True, tag="pulse_minute"):
    """A minute of event time of a hashtag, as far as one partition of `posts.enriched` holds it.

    A later message of the same minute, hashtag and partition takes the place of an earlier one.
    """

    _times = ("minute", "watermark")

    minute: Time
    """Its begin."""
    hashtag: str
    partition: Int64
    watermark: Time
    """No post of this partition before it is still expected, but late ones."""
    final: bool = False
    """Nothing changes this part any more: the minute is older than the lateness of the settings."""
    moods: SentimentCounts = SentimentCounts()
    independent: SentimentCounts = SentimentCounts()
    """The same without reposts, and with each text and each author counted once."""
    said: dict[str, bool] = msgspec.field(default_factory=dict)
    """The texts of the independent posts, by a mark of each, and whether it is negative: another partition or another
    minute may have the same ones. Cut to those that came most often."""
    probabilities: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Sums over the posts: negative, neutral, positive."""
    languages: dict[str, SentimentCounts] = msgspec.field(default_factory=dict)
    topics: dict[str, SentimentCounts] = msgspec.field(default_factory=dict)
    campaign_topics: dict[str, SentimentCounts] = msgspec.field(default_factory=dict)
    sources: dict[str, SentimentCounts] = msgspec.field(default_factory=dict)
    reposts: Count = 0
    questions: Count = 0
    evidence: Evidence = Evidence()

    @property
    def key(self) -> bytes:
        return self.hashtag.encode()


class Driver(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is more frequent in a spike than before it."""

    name: str
    posts: Count
    share: Probability
    """Of the posts of the spike (of the negative ones in a negative spike)."""
    baseline: Probability
    """The same share before the spike."""
    score: float
    """Log-odds ratio with a prior, in standard deviations: how surely it is more frequent."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What drives a spike, strongest first."""

    summary: str = ""
    """One or two sentences of plain text."""
    terms: tuple[Driver, ...] = ()
    topics: tuple[Driver, ...] = ()
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
    """A turn of the mood, of the volume, or a silence; told when it opens, while it grows, and when it closes."""

    _times = ("opened_at", "known_at", "closed_at", "at")

    id: str
    """The same in every message about it, and in every replay of the same posts."""
    kind: SpikeKind
    hashtag: str
    state: SpikeState
    sensitivity: str
    opened_at: Time
    """Its first minute."""
    known_at: Time
    """Event time at which it was raised."""
    at: Time
    """Event time of this message."""
    closed_at: Time | None = None
    posts: Count = 0
    """Since it opened."""
    negative: Count = 0
    share: Probability | None = None
    """Of negative posts, since it opened; with its interval of 95 %."""
    low: Probability | None = None
    high: Probability | None = None
    baseline: Probability | None = None
    rate: float | None = None
    """Posts a minute, since it opened."""
    usual_rate: float | None = None
    explanation: Explanation = Explanation()

    @property
    def key(self) -> bytes:
        return self.hashtag.encode()
