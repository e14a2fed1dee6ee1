"""What came of a replay, read from its topics, and whether it adds up: read = enriched + dead."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from kafka.consumer.fetcher import ConsumerRecord

from streams.contracts import (
    DeadLetter,
    EnrichedPost,
    decode_dead,
    decode_enriched,
    encode,
    origin_of,
    parse_location,
    partition_name,
)
from streams.errors import BadMessage
from streams.kafka.reader import read_topic
from streams.replay.selection import hashtags_of
from streams.settings import Settings
from streams.sources.shared_ids import SharedIds

NO_HASHTAG = ""

RecordLocation = tuple[str, int, int]


class RunCounts(msgspec.Struct, kw_only=True):
    """Messages read, and what became of them."""

    read: int = 0
    enriched: int = 0
    dead: int = 0


class Manifest(msgspec.Struct, kw_only=True):
    """The account of a run. Posts and deletions both count, each record of the source once."""

    run: str
    read: int
    """Messages that were chosen."""
    enriched: int
    """Of these, what stands on the run's `posts.enriched`: posts with their answers, and deletions passed on."""
    dead: int
    """Of these, what stands on the run's `posts.dead` alone."""
    deletions: int
    """Of `enriched`, the deletions."""
    partitions: dict[str, RunCounts]
    """By partition of the source, `topic[partition]`."""
    hashtags: dict[str, RunCounts]
    """By hashtag; a post counts for each of its own, what has none stands under the empty name."""
    model_version: str
    models: list[str]
    """Every model that answered, with its version, what computed it and in which numbers."""
    checksum: str
    """SHA-256 over the results that stand at the end, each post's newest edit without deleted ones, in sorted order and
    without the time at which they were made: equal for equal results, whatever the messages were read from."""
    reconciled: bool
    """Every chosen message was enriched or is a dead letter, none was answered in two ways, and no two posts share an id."""
    repeated_ids: int = 0
    """Of `enriched`, the posts whose id another post had before, with another author or text: sinks keep one of them."""
    refused: dict[str, int] = {}
    """Dead letters of the store workers, by reason: enriched, but not kept."""
    sinks: dict[str, int] = {}
    """Posts that each sink holds of the run."""
    source: str = ""
    selection: dict[str, Any] = {}
    started_at: str = ""
    finished_at: str = ""
    seconds: float = 0.0


class _Version(NamedTuple):
    """The result of a post as it was written, or edited, at some time."""

    edited_at: datetime | None
    created_at: datetime
    offset: int
    """In the source."""
    digest: bytes

    @property
    def order(self) -> tuple[bool, datetime, int]:
        """The greatest of a post's versions counts."""
        return self.edited_at is not None, self.edited_at or self.created_at, self.offset


class Account:
    """Reads a run's topics into a manifest."""

    def __init__(self, settings: Settings) -> None:
        """`settings` are those of the run."""
        self._settings = settings
        self._origins: dict[RecordLocation, RecordLocation] = {}
        """Where each record of the run's topic came from; a record that was sent twice has one origin."""
        self._hashtags: dict[RecordLocation, tuple[str, ...]] = {}
        self._results: dict[RecordLocation, bytes] = {}
        self._newest: dict[bytes, _Version] = {}
        """By the key of the post."""
        self._deleted_at: dict[bytes, datetime] = {}
        self._dead: set[RecordLocation] = set()
        self._deletions: set[RecordLocation] = set()
        self._models: Counter[str] = Counter()
        self._versions: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._contradictions = 0
        self._shared_ids = SharedIds()
        self._repeated_ids = 0

    def manifest(self) -> Manifest:
        """Raises Unavailable."""
        kafka, topics = self._settings.kafka, self._settings.topics
        for record in read_topic(kafka, topics.raw):
            self._take_raw(record)
        for record in read_topic(kafka, topics.enriched):
            self._take_enriched(record)
        for record in read_topic(kafka, topics.dead):
            self._take_dead(record)
        self._dead -= self._results.keys()  # it was sent again from the dead letters, and then enriched
        read, enriched, dead = set(self._hashtags), set(self._results), self._dead
        reconciled = not self._contradictions and not self._repeated_ids and enriched | dead == read
        return Manifest(
            run=self._settings.run,
            read=len(read),
            enriched=len(enriched),
            dead=len(dead),
            deletions=len(self._deletions),
            partitions=self._by_partition(),
            hashtags=self._by_hashtag(),
            model_version=", ".join(sorted(self._versions)),
            models=sorted(self._models),
            checksum=self._checksum(),
            reconciled=reconciled,
            repeated_ids=self._repeated_ids,
            refused=dict(sorted(self._refused.items())),
        )

    def _take_raw(self, record: ConsumerRecord) -> None:
        place = (record.topic, record.partition, record.offset)
        origin = origin_of(record.headers)
        self._origins[place] = parse_location(origin) if origin else place
        self._hashtags[self._origins[place]] = hashtags_of(record.value) or (NO_HASHTAG,)

    def _take_enriched(self, record: ConsumerRecord) -> None:
        origin = self._origins.get(_place(origin_of(record.headers)))
        if origin is None:
            self._contradictions += 1
            return
        try:
            message = decode_enriched(record.value, record.headers)
        except BadMessage:
            self._contradictions += 1
            return
        if isinstance(message, EnrichedPost):
            self._repeated_ids += self._shared_ids.add(message.post)
            model = message.model
            self._versions[model.version] += 1
            self._models[" ".join(filter(None, (model.name, model.version, model.runtime, model.precision)))] += 1
            digest = _digest(encode(msgspec.structs.replace(message, enriched_at=message.post.created_at)))
            version = _Version(message.post.edited_at, message.post.created_at, origin[2], digest)
            if message.key not in self._newest or version.order >= self._newest[message.key].order:
                self._newest[message.key] = version
        else:
            self._deleted_at[message.key] = max(
                message.deleted_at, self._deleted_at.get(message.key, message.deleted_at)
            )
            self._deletions.add(origin)
            digest = _digest(encode(message))
        if self._results.setdefault(origin, digest) != digest:
            self._contradictions += 1

    def _take_dead(self, record: ConsumerRecord) -> None:
        try:
            letter = decode_dead(record.value, record.headers)
        except BadMessage:
            return
        if not isinstance(letter, DeadLetter):
            return
        place = (letter.topic, letter.partition, letter.offset)
        if letter.topic == self._settings.topics.enriched:
            self._refused[letter.reason] += 1
            return
        origin = self._origins.get(place, place)
        if origin not in self._hashtags:  # too large for the run's topic: it never got there
            self._hashtags[origin] = (NO_HASHTAG,)
        self._dead.add(origin)

    def _by_partition(self) -> dict[str, RunCounts]:
        counts: dict[str, RunCounts] = defaultdict(RunCounts)
        for place in self._hashtags:
            self._count(counts[partition_name(*place[:2])], place)
        return dict(sorted(counts.items()))

    def _by_hashtag(self) -> dict[str, RunCounts]:
        counts: dict[str, RunCounts] = defaultdict(RunCounts)
        for place, hashtags in self._hashtags.items():
            for hashtag in hashtags:
                self._count(counts[hashtag], place)
        return dict(sorted(counts.items(), key=lambda item: (-item[1].read, item[0])))

    def _count(self, counts: RunCounts, place: RecordLocation) -> None:
        counts.read += 1
        counts.enriched += place in self._results
        counts.dead += place in self._dead

    def _checksum(self) -> str:
        whole = hashlib.sha256()
        for digest in sorted(version.digest for key, version in self._newest.items() if self._stands(key, version)):
            whole.update(digest)
        return whole.hexdigest()

    def _stands(self, key: bytes, version: _Version) -> bool:
        """A post that was edited after its deletion is back, as in the views of the sinks."""
        deleted_at = self._deleted_at.get(key)
        return deleted_at is None or (version.edited_at is not None and version.edited_at > deleted_at)


def _place(origin: str | None) -> RecordLocation:
    return parse_location(origin) if origin else ("", -1, -1)


def _digest(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()
