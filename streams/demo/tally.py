"""What was seen on the topics: the counts behind the live view, and the proof that nothing is missing."""

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
    SentimentLabel,
    decode_dead,
    decode_enriched,
    decode_raw,
    record_location,
)
from streams.errors import BadMessage

SLOT = timedelta(minutes=10)
_KEPT = 100

Identity = tuple[bytes, datetime | None, bool]
"""Key, time of the edit, and whether it is a deletion: a version of a post."""


@dataclass
class SentimentTally:
    """Posts by sentiment."""

    negative: int = 0
    neutral: int = 0
    positive: int = 0

    @property
    def total(self) -> int:
        return self.negative + self.neutral + self.positive

    def share(self, label: SentimentLabel) -> float:
        """0 to 1; 0 without posts."""
        count: int = getattr(self, label)
        return count / self.total if self.total else 0.0

    def add(self, label: SentimentLabel) -> None:
        setattr(self, label, getattr(self, label) + 1)

    def __add__(self, other: SentimentTally) -> SentimentTally:
        return SentimentTally(
            self.negative + other.negative, self.neutral + other.neutral, self.positive + other.positive
        )


@dataclass(frozen=True)
class TurningPoint:
    """A stretch of the day in which the mood was another one."""

    begin: datetime
    end: datetime
    share: float
    """Negative posts, 0 to 1, over the stretch."""
    usual: float
    """The same over the rest of the day."""


@dataclass
class Tally:
    """Counts of a day between `begin` and `end`, each version of a post once, however often it comes."""

    begin: datetime
    end: datetime
    mood: SentimentTally = field(default_factory=SentimentTally)
    hashtags: defaultdict[str, SentimentTally] = field(default_factory=lambda: defaultdict(SentimentTally))
    languages: Counter[str] = field(default_factory=Counter)
    topics: Counter[str] = field(default_factory=Counter)
    campaign: defaultdict[str, SentimentTally] = field(default_factory=lambda: defaultdict(SentimentTally))
    negatives: deque[EnrichedPost] = field(default_factory=lambda: deque(maxlen=_KEPT))
    """The newest last; reposts are left out."""
    letters: deque[DeadLetter] = field(default_factory=lambda: deque(maxlen=_KEPT))
    reasons: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    newest: datetime | None = None
    """Event time of the newest post that was enriched."""
    model: str = ""
    edits: int = 0

    def __post_init__(self) -> None:
        self.slots = [SentimentTally() for _ in range(-(-(self.end - self.begin) // SLOT))]
        self._raw: dict[str, Identity | None] = {}
        self._answered: set[Identity] = set()
        self._dead: set[str] = set()

    @property
    def produced(self) -> int:
        """Records of the raw topic."""
        return len(self._raw)

    @property
    def enriched(self) -> int:
        """Versions of posts that were enriched."""
        return len(self._answered) - self.deletions

    @property
    def deletions(self) -> int:
        return sum(is_deletion for _, _, is_deletion in self._answered)

    @property
    def dead(self) -> int:
        return len(self._dead)

    @property
    def kept_posts(self) -> int:
        """Distinct posts that a lake of all this holds: those that nobody deleted."""
        keys = {key for key, _, is_deletion in self._answered if not is_deletion}
        return len(keys - {key for key, _, is_deletion in self._answered if is_deletion})

    def missing(self) -> list[str]:
        """Where the raw records stand that are neither enriched nor in the dead letters."""
        return [
            place
            for place, identity in self._raw.items()
            if place not in self._dead and (identity is None or identity not in self._answered)
        ]

    def add_raw(self, topic: str, partition: int, offset: int, value: bytes | None, headers: Headers) -> None:
        place = record_location(topic, partition, offset)
        self._raw[place] = None
        with contextlib.suppress(BadMessage):  # its dead letter will name the place
            self._raw[place] = _identity(decode_raw(value, headers))

    def add_enriched(self, value: bytes | None, headers: Headers) -> None:
        """Raises BadMessage."""
        message = decode_enriched(value, headers)
        identity = _identity(message.post if isinstance(message, EnrichedPost) else message)
        if identity in self._answered:
            self.duplicates += 1
            return
        self._answered.add(identity)
        if not isinstance(message, EnrichedPost):
            return
        if message.post.edited_at is not None:
            self.edits += 1  # the mood counts a post once, as it first came
            return
        self._count(message)

    def add_dead(self, value: bytes | None, headers: Headers) -> None:
        """Raises BadMessage."""
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
        """When the mood turned: see `find_turn`."""
        return find_turn(self.begin, self.slots)


def _identity(message: Post | Deletion) -> Identity:
    if isinstance(message, Deletion):
        return message.key, message.deleted_at, True
    return message.key, message.edited_at, False


def find_turn(
    begin: datetime, slots: Sequence[SentimentTally], *, factor: float = 2.0, least: int = 10
) -> TurningPoint | None:
    """The stretch of slots with the most negative posts in which their share is at least `factor` times that of the day.

    Slots with fewer than `least` posts say nothing. None when the mood never turned for `least` negative posts.
    """
    day = sum(slots, SentimentTally()).share("negative")
    angry = [slot.total >= least and slot.share("negative") >= factor * day > 0 for slot in slots]
    runs: list[tuple[int, int]] = []
    for index, is_angry in enumerate(angry):
        if is_angry and runs and runs[-1][1] == index:
            runs[-1] = (runs[-1][0], index + 1)
        elif is_angry:
            runs.append((index, index + 1))
    if not runs:
        return None
    first, last = max(runs, key=lambda run: sum(slot.negative for slot in slots[run[0] : run[1]]))
    inside = sum(slots[first:last], SentimentTally())
    if inside.negative < least:
        return None
    outside = sum([*slots[:first], *slots[last:]], SentimentTally())
    return TurningPoint(begin + first * SLOT, begin + last * SLOT, inside.share("negative"), outside.share("negative"))
