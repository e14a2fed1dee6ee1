"""Counts of the messages on the topics, for the live view and as proof that nothing is missing."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from streams.contracts import (
    DeadLetter,
    Deletion,
    EnrichedPost,
    Headers,
    Post,
    decode_dead,
    decode_enriched,
    decode_raw,
    record_location,
)
from streams.errors import BadMessage
from streams.up.mood import SentimentTally

SLOT = timedelta(minutes=10)
_EXAMPLES = 100

Identity = tuple[bytes, datetime | None, bool]
"""Identifies a version of a post: key, time of the edit or deletion, and whether it is a deletion."""


@dataclass(frozen=True)
class TurningPoint:
    """The period of the day in which the mood changed."""

    begin: datetime
    end: datetime
    share: float
    """Share of negative posts in this period, 0 to 1."""
    usual: float
    """Share of negative posts in the rest of the day, 0 to 1."""


@dataclass
class Tally:
    """Counts of a day from `begin` to `end`; each version of a post counts once, however often it arrives."""

    begin: datetime
    end: datetime
    mood: SentimentTally = field(default_factory=SentimentTally)
    hashtags: defaultdict[str, SentimentTally] = field(default_factory=lambda: defaultdict(SentimentTally))
    languages: Counter[str] = field(default_factory=Counter)
    topics: Counter[str] = field(default_factory=Counter)
    campaign: defaultdict[str, SentimentTally] = field(default_factory=lambda: defaultdict(SentimentTally))
    negatives: deque[EnrichedPost] = field(default_factory=lambda: deque(maxlen=_EXAMPLES))
    """The latest negative posts without reposts, newest last."""
    letters: deque[DeadLetter] = field(default_factory=lambda: deque(maxlen=_EXAMPLES))
    """The latest dead letters, newest last."""
    reasons: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    newest: datetime | None = None
    """Event time of the newest enriched post."""
    model: str = ""
    edits: int = 0

    def __post_init__(self) -> None:
        self.slots = [SentimentTally() for _ in range(-(-(self.end - self.begin) // SLOT))]
        self._raw: dict[str, Identity | None] = {}
        self._enriched: set[Identity] = set()
        self._dead: set[str] = set()

    @property
    def produced(self) -> int:
        """Number of records in the raw topic."""
        return len(self._raw)

    @property
    def enriched(self) -> int:
        """Number of enriched versions of posts."""
        return len(self._enriched) - self.deletions

    @property
    def deletions(self) -> int:
        return sum(is_deletion for _, _, is_deletion in self._enriched)

    @property
    def dead(self) -> int:
        return len(self._dead)

    @property
    def kept_posts(self) -> int:
        """Number of distinct posts that the lake must contain: those that were not deleted."""
        keys = {key for key, _, is_deletion in self._enriched if not is_deletion}
        return len(keys - {key for key, _, is_deletion in self._enriched if is_deletion})

    def missing(self) -> list[str]:
        """Return the locations of the raw records that are neither enriched nor in the dead letters."""
        return [
            location
            for location, identity in self._raw.items()
            if location not in self._dead and (identity is None or identity not in self._enriched)
        ]

    def add_raw(self, topic: str, partition: int, offset: int, value: bytes | None, headers: Headers) -> None:
        """Add a record of the raw topic, readable or not."""
        location = record_location(topic, partition, offset)
        self._raw[location] = None
        with contextlib.suppress(BadMessage):  # its dead letter will name the location
            self._raw[location] = _identity(decode_raw(value, headers))

    def add_enriched(self, value: bytes | None, headers: Headers) -> None:
        """Add a record of the enriched topic.

        Raises:
            BadMessage: The record cannot be read.
        """
        message = decode_enriched(value, headers)
        identity = _identity(message.post if isinstance(message, EnrichedPost) else message)
        if identity in self._enriched:
            self.duplicates += 1
            return
        self._enriched.add(identity)
        if not isinstance(message, EnrichedPost):
            return
        if message.post.edited_at is not None:
            self.edits += 1  # the sentiment counts use only the first version of a post
            return
        self._count(message)

    def add_dead(self, value: bytes | None, headers: Headers) -> None:
        """Add a record of the dead-letter topic.

        Raises:
            BadMessage: The record cannot be read.
        """
        letter = decode_dead(value, headers)
        if not isinstance(letter, DeadLetter):
            return
        if letter.origin in self._dead:
            self.duplicates += 1
            return
        self._dead.add(letter.origin)
        self.reasons[letter.reason] += 1
        self.letters.append(letter)

    def _count(self, message: EnrichedPost) -> None:
        post, label = message.post, message.sentiment.label
        self.mood.add(label)
        for hashtag in post.hashtags:
            self.hashtags[hashtag].add(label)
        self.languages[message.language.code] += 1
        self.topics.update(topic.name for topic in message.topics)
        if message.campaign.name is not None:
            self.campaign[message.campaign.name].add(label)
        if self.begin <= post.created_at < self.end:
            self.slots[(post.created_at - self.begin) // SLOT].add(label)
        if label == "negative" and post.repost_of is None:
            self.negatives.append(message)
        self.newest = max(self.newest or post.created_at, post.created_at)
        self.model = f"{message.model.name} {message.model.version}"

    def turn(self) -> TurningPoint | None:
        """Return the period in which the mood changed; see `find_turn`."""
        return find_turn(self.begin, self.slots)


def _identity(message: Post | Deletion) -> Identity:
    if isinstance(message, Deletion):
        return message.key, message.deleted_at, True
    return message.key, message.edited_at, False


def find_turn(
    begin: datetime, slots: Sequence[SentimentTally], *, factor: float = 2.0, least: int = 10
) -> TurningPoint | None:
    """Find the period with the most negative posts among those with an unusually high share of them.

    Args:
        begin: Start of the first slot.
        slots: Sentiment counts of consecutive slots of 10 minutes.
        factor: In every slot of the period, the share of negative posts is at least this multiple of the day's share.
        least: Slots with fewer posts are ignored.

    Returns:
        The period, or None if there is none with at least `least` negative posts.
    """
    day = sum(slots, SentimentTally()).share("negative")
    negative = [slot.total >= least and slot.share("negative") >= factor * day > 0 for slot in slots]
    runs: list[tuple[int, int]] = []
    for index, is_negative in enumerate(negative):
        if is_negative and runs and runs[-1][1] == index:
            runs[-1] = (runs[-1][0], index + 1)
        elif is_negative:
            runs.append((index, index + 1))
    if not runs:
        return None
    first, last = max(runs, key=lambda run: sum(slot.negative for slot in slots[run[0] : run[1]]))
    inside = sum(slots[first:last], SentimentTally())
    if inside.negative < least:
        return None
    outside = sum([*slots[:first], *slots[last:]], SentimentTally())
    return TurningPoint(begin + first * SLOT, begin + last * SLOT, inside.share("negative"), outside.share("negative"))
