"""Read the dead letters on `posts.dead` that match a filter, each with its outcome."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from streams.contracts import DeadLetter, DeadLetterOutcome, DeadMessage, decode_dead, parse_location, record_location
from streams.errors import BadInput, BadMessage
from streams.kafka.reader import end_offsets, open_reader, partitions_of, read_until
from streams.settings import Settings


@dataclass(frozen=True, kw_only=True)
class FoundLetter:
    """A dead letter with its location and its outcome."""

    topic: str
    partition: int
    offset: int
    letter: DeadLetter
    outcome: DeadLetterOutcome | None = None
    """None if the letter was neither retried nor dropped yet."""

    @property
    def place(self) -> str:
        return record_location(self.topic, self.partition, self.offset)


@dataclass(frozen=True, kw_only=True)
class LetterFilter:
    """Conditions on dead letters; a letter must meet all that are set."""

    reasons: frozenset[str] = frozenset()
    since: datetime | None = None
    """Earliest time of the failure."""
    until: datetime | None = None
    """Latest time of the failure (exclusive)."""
    from_topic: str | None = None
    """Topic of the record that failed."""
    partition: int | None = None
    """Partition of the record that failed."""
    places: frozenset[str] = frozenset()
    """Locations of the letters, or of the records that failed."""

    def matches(self, found: FoundLetter) -> bool:
        letter = found.letter
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (self.since is None or letter.failed_at >= self.since)
            and (self.until is None or letter.failed_at < self.until)
            and self.from_topic in (None, letter.topic)
            and self.partition in (None, letter.partition)
            and (not self.places or found.place in self.places or letter.origin in self.places)
        )


@dataclass
class DeadLetters:
    """The letters that were on the topic when it was opened.

    Each walk reads the letters again and keeps none in memory. The outcomes are kept in memory, because each follows
    its letter at some later offset.
    """

    consumer: KafkaConsumer
    topic: str
    wanted: LetterFilter
    starts: dict[TopicPartition, int]
    ends: dict[TopicPartition, int]
    unreadable: int = 0
    """Number of records in the last walk that could not be decoded."""
    _outcomes: dict[tuple[int, int], DeadLetterOutcome] | None = field(default=None, repr=False)

    @property
    def is_empty(self) -> bool:
        return all(self.starts[at] >= end for at, end in self.ends.items())

    def partitions_of(self, *topics: str) -> dict[str, frozenset[int]]:
        """Return the partitions of each topic; none for a topic that does not exist."""
        return {name: frozenset(self.consumer.partitions_for_topic(name) or ()) for name in topics}

    def walk(self, *, settled: bool = False) -> Iterator[FoundLetter]:
        """Yield the letters that match the filter; with `settled`, also those with an outcome. Raises Unavailable."""
        outcomes = self._outcomes if self._outcomes is not None else self._read_outcomes()
        first, last = _span(self.topic, self.wanted.places)
        ends = {at: min(end, last.get(at.partition, 0)) if last else end for at, end in self.ends.items()}
        self.unreadable = 0
        for record, message in self._messages(first, ends):
            if isinstance(message, DeadLetter):
                found = FoundLetter(
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                    letter=message,
                    outcome=outcomes.get((record.partition, record.offset)),
                )
                if (settled or found.outcome is None) and self.wanted.matches(found):
                    yield found

    def _read_outcomes(self) -> dict[tuple[int, int], DeadLetterOutcome]:
        first, _ = _span(self.topic, self.wanted.places)
        self._outcomes = {
            (record.partition, message.offset): message
            for record, message in self._messages(first, self.ends)
            if isinstance(message, DeadLetterOutcome) and message.partition == record.partition
        }
        return self._outcomes

    def _messages(
        self, first: dict[int, int], ends: dict[TopicPartition, int]
    ) -> Iterator[tuple[ConsumerRecord, DeadMessage]]:
        for at in ends:
            self.consumer.seek(at, min(max(self.starts[at], first.get(at.partition, 0)), self.ends[at]))
        for record in read_until(self.consumer, ends):
            try:
                message = decode_dead(record.value, record.headers)
            except BadMessage:
                self.unreadable += 1
            else:
                yield record, message


@contextlib.contextmanager
def open_dead_letters(settings: Settings, wanted: LetterFilter) -> Iterator[DeadLetters]:
    """Open the dead letters that the run has now. Raises Unavailable, and BadInput if there is no such topic."""
    topic = settings.topics.dead
    with open_reader(settings.kafka) as consumer:
        partitions = partitions_of(consumer, topic)
        if not partitions:
            raise BadInput(f"there is no topic {topic}: list the topics with `tagpulse topics list`")
        starts = consumer.beginning_offsets(
            partitions
        )  # before end_offsets, or this would wait for a fetch at the ends
        yield DeadLetters(consumer, topic, wanted, starts, end_offsets(consumer, partitions))


def _span(topic: str, places: frozenset[str]) -> tuple[dict[int, int], dict[int, int]]:
    """Return for each partition the first offset among the places and the one after the last.

    Both are empty if any place is on another topic.
    """
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for name, partition, offset in map(parse_location, places):
        if name != topic:
            return {}, {}
        first[partition] = min(offset, first.get(partition, offset))
        last[partition] = max(offset + 1, last.get(partition, 0))
    return first, last
