"""How far consumer groups have read, seen from outside, and how long a partition stood still while others moved."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import NamedTuple, Self

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError

from streams.kafka import connection
from streams.settings import KafkaSettings

_POLL_SECONDS = 0.25
_UNSEEN_SECONDS = 2.0
"""A longer pause between two polls counts as this much: nobody could read from a broker that did not answer."""


class Reader(NamedTuple):
    """A group and a partition that it reads."""

    group: str
    topic: str
    partition: int


class Offsets(NamedTuple):
    """How far a group is in a partition, and where the partition ends."""

    committed: int
    end: int

    @property
    def lag(self) -> int:
        return self.end - self.committed


class Standstills:
    """How long each partition has stood still while others of its group moved; pure, since the clock is passed in.

    A partition with nothing to read counts as one that moves.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self.where: Reader | None = None
        self._seen: dict[Reader, Offsets] = {}
        self._moved: dict[Reader, float] = {}

    def see(self, offsets: Mapping[Reader, Offsets], now: float) -> None:
        for reader, found in offsets.items():
            before = self._seen.get(reader)
            if before is None or found.committed > before.committed or not found.lag:
                self._moved[reader] = now
        self._seen = dict(offsets)
        for reader in offsets:
            moved = self._moved[reader]
            others = (at for other, at in self._moved.items() if other.group == reader.group and other != reader)
            standstill = max(others, default=moved) - moved
            if standstill > self.longest:
                self.longest, self.where = standstill, reader


class Progress:
    """Polls several times a second: `with Progress(kafka, {"GROUP": "TOPIC"}) as progress:`."""

    def __init__(self, kafka: KafkaSettings, reads: Mapping[str, str]) -> None:
        """Prepare to watch `reads`: the topic of each group, by the full name of the group."""
        self._kafka = kafka
        self._reads = reads
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)
        self._polled_at = 0.0
        self.offsets: dict[Reader, Offsets] = {}
        self.standstills = Standstills()

    def sent(self, group: str) -> int:
        """Return the number of records on the topic that the group reads, as last seen."""
        return sum(at.end for reader, at in self.offsets.items() if reader.group == group)

    def is_read(self, since: float) -> bool:
        """Return whether a poll that began after `since` (`time.monotonic`) found nothing left to read."""
        return self._polled_at > since and not any(at.lag for at in self.offsets.values())

    def _watch(self) -> None:
        admin: KafkaAdminClient | None = None
        clock, last = 0.0, time.monotonic()
        while not self._stopping.wait(_POLL_SECONDS):
            began = time.monotonic()
            try:
                admin = admin or connection.open_client(KafkaAdminClient, self._kafka)
                found = self._poll(admin)
            except KafkaError:
                if admin is not None:
                    admin.close()
                    admin = None
                continue
            clock += min(began - last, _UNSEEN_SECONDS)
            last = began
            self.standstills.see(found, clock)
            self.offsets, self._polled_at = found, began
        if admin is not None:
            admin.close()

    def _poll(self, admin: KafkaAdminClient) -> dict[Reader, Offsets]:
        topics = admin.describe_topics(sorted(set(self._reads.values())))
        places = [
            TopicPartition(topic["name"], partition["partition_index"])
            for topic in topics
            for partition in topic["partitions"]
        ]
        # commits first, so that none is beyond the end
        committed = admin.list_group_offsets(list(self._reads))
        ends = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST))
        return {
            Reader(group, *place): Offsets(
                max(0, committed[group][place].offset if place in committed[group] else 0), ends[place].offset
            )
            for group, topic in self._reads.items()
            for place in places
            if place.topic == topic
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
