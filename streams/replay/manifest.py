"""The results of a replay, read from its topics, and whether they add up: read = enriched + dead."""

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
    """Numbers of messages read, enriched and dead."""

    read: int = 0
    enriched: int = 0
    dead: int = 0


class Manifest(msgspec.Struct, kw_only=True):
    """The results of a run. Posts and deletions both count, and each record of the source counts once."""

    run: str
    read: int
    """Number of selected messages."""
    enriched: int
    """Messages on the `posts.enriched` of the run: enriched posts, and deletions passed on."""
    dead: int
    """Messages only on the `posts.dead` of the run."""
    deletions: int
    """Deletions among `enriched`."""
    partitions: dict[str, RunCounts]
    """Counts by source partition, `topic[partition]`."""
    hashtags: dict[str, RunCounts]
    """Counts by hashtag. A post counts for each of its hashtags; the empty name is for messages without one."""
    model_version: str
    models: list[str]
    """Every model used, with its version, runtime and precision."""
    checksum: str
    """SHA-256 of the final results.

    These are the newest edits of all posts that are not deleted, in sorted order and without the time of enrichment.
    Equal results have equal checksums, whatever the source of the messages.
    """
    reconciled: bool
    """Whether every selected message is enriched or dead, none has two different results, and post IDs are unique."""
    repeated_ids: int = 0
    """Posts among `enriched` with the ID of an earlier post but another author or text; sinks keep one of them."""
    refused: dict[str, int] = {}
    """Dead letters of the store workers by reason: messages that were enriched but not stored."""
    sinks: dict[str, int] = {}
    """Number of posts of the run in each sink."""
    source: str = ""
    selection: dict[str, Any] = {}
    started_at: str = ""
    finished_at: str = ""
    seconds: float = 0.0


class _Version(NamedTuple):
    """The result of one version of a post: the original or an edit."""

    edited_at: datetime | None
    created_at: datetime
    offset: int
    """Offset in the source."""
    digest: bytes

    @property
    def order(self) -> tuple[bool, datetime, int]:
        """The sort key by which the newest version of a post is the greatest."""
        return self.edited_at is not None, self.edited_at or self.created_at, self.offset


class Account:
    """Builds a manifest from the topics of a run."""

    def __init__(self, settings: Settings) -> None:
        """Set up an empty account.

        Args:
            settings: Settings of the run.
        """
        self._settings = settings
        self._origins: dict[RecordLocation, RecordLocation] = {}
        """The origin of each record in the topic of the run; a record that was sent twice has the same origin."""
        self._hashtags: dict[RecordLocation, tuple[str, ...]] = {}
        self._results: dict[RecordLocation, bytes] = {}
        self._newest: dict[bytes, _Version] = {}
        """The newest version of each post, by its key."""
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
        """Read the topics and return the manifest. Raises Unavailable."""
        kafka, topics = self._settings.kafka, self._settings.topics
        for record in read_topic(kafka, topics.raw):
            self._add_raw(record)
        for record in read_topic(kafka, topics.enriched):
            self._add_enriched(record)
        for record in read_topic(kafka, topics.dead):
            self._add_dead(record)
        self._dead -= self._results.keys()  # dead letters that were retried and then enriched
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

    def _add_raw(self, record: ConsumerRecord) -> None:
        location = (record.topic, record.partition, record.offset)
        origin = origin_of(record.headers)
        self._origins[location] = parse_location(origin) if origin else location
        self._hashtags[self._origins[location]] = hashtags_of(record.value) or (NO_HASHTAG,)

    def _add_enriched(self, record: ConsumerRecord) -> None:
        origin = self._origins.get(_location(origin_of(record.headers)))
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

    def _add_dead(self, record: ConsumerRecord) -> None:
        try:
            letter = decode_dead(record.value, record.headers)
        except BadMessage:
            return
        if not isinstance(letter, DeadLetter):
            return
        location = (letter.topic, letter.partition, letter.offset)
        if letter.topic == self._settings.topics.enriched:
            self._refused[letter.reason] += 1
            return
        origin = self._origins.get(location, location)
        if origin not in self._hashtags:  # too large for the topic of the run, so it was never written there
            self._hashtags[origin] = (NO_HASHTAG,)
        self._dead.add(origin)

    def _by_partition(self) -> dict[str, RunCounts]:
        counts: dict[str, RunCounts] = defaultdict(RunCounts)
        for location in self._hashtags:
            self._count(counts[partition_name(*location[:2])], location)
        return dict(sorted(counts.items()))

    def _by_hashtag(self) -> dict[str, RunCounts]:
        counts: dict[str, RunCounts] = defaultdict(RunCounts)
        for location, hashtags in self._hashtags.items():
            for hashtag in hashtags:
                self._count(counts[hashtag], location)
        return dict(sorted(counts.items(), key=lambda item: (-item[1].read, item[0])))

    def _count(self, counts: RunCounts, location: RecordLocation) -> None:
        counts.read += 1
        counts.enriched += location in self._results
        counts.dead += location in self._dead

    def _checksum(self) -> str:
        whole = hashlib.sha256()
        for digest in sorted(version.digest for key, version in self._newest.items() if self._is_current(key, version)):
            whole.update(digest)
        return whole.hexdigest()

    def _is_current(self, key: bytes, version: _Version) -> bool:
        """Return whether a version is not deleted; a later edit restores a post, as in the views of the sinks."""
        deleted_at = self._deleted_at.get(key)
        return deleted_at is None or (version.edited_at is not None and version.edited_at > deleted_at)


def _location(origin: str | None) -> RecordLocation:
    return parse_location(origin) if origin else ("", -1, -1)


def _digest(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()
