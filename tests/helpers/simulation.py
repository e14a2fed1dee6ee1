"""Simulated Kafka, time and threads: workers with their real consumers run against it in one thread, driven by a seed.

The worker's recipe and consumer are real, and so are Faust's rebalancing and recovery, and aiokafka's coordinator, fetcher
and client. Simulated are the sockets (`Cluster` answers requests), the two threads of a worker (both run on one loop, and
every call between them is late by chance) and the clock (it jumps to the next event that is due). Any step of any task may
be late by chance, within the limits of `Lateness`, so that anything can happen during an await.
"""

from __future__ import annotations

import asyncio
import random
import struct
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from aiokafka import errors
from aiokafka.protocol import admin, commit, coordination, fetch, group, offset
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from tests.helpers.simulated_group import Group
from tests.helpers.simulated_loop import Lateness

NODE = 0
_MAX_RECORDS = 5
# the versions that aiokafka negotiates with a broker, by API key
_VERSIONS = {
    coordination.FindCoordinatorRequest.API_KEY: (0, 0),
    group.JoinGroupRequest.API_KEY: (5, 5),
    group.SyncGroupRequest.API_KEY: (3, 3),
    group.HeartbeatRequest.API_KEY: (1, 1),
    group.LeaveGroupRequest.API_KEY: (1, 1),
    commit.OffsetCommitRequest.API_KEY: (3, 3),
    commit.OffsetFetchRequest.API_KEY: (3, 3),
    offset.OffsetRequest.API_KEY: (3, 3),
    fetch.FetchRequest.API_KEY: (4, 4),
    admin.DescribeGroupsRequest.API_KEY: (0, 0),
}


@dataclass
class Partition:
    """A log; offsets without a record are missing from `records`."""

    start: int = 0
    end: int = 0
    records: dict[int, bytes] = field(default_factory=dict)
    batches: dict[int, bytes] = field(default_factory=dict)

    def append(self, value: bytes) -> int:
        builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 10_000)
        builder.append(0, timestamp=0, key=None, value=value, headers=[])
        self.records[self.end] = value
        self.batches[self.end] = struct.pack(">q", self.end) + bytes(builder.build())[8:]
        self.end += 1
        return self.end - 1

    def skip(self, offsets: int) -> None:
        """Add offsets that no reader receives, like those of markers and aborted records."""
        self.end += offsets

    def expire(self, until: int) -> None:
        """Delete the records before `until`, as retention does."""
        self.start = max(self.start, min(until, self.end))
        for each in [each for each in self.records if each < self.start]:
            del self.records[each], self.batches[each]


class Cluster:
    """One broker with one topic and one group; it can be slow or silent, and its topic can grow and expire."""

    def __init__(self, topic: str, partitions: int, lateness: Lateness, dice: random.Random) -> None:
        self.topic = topic
        self.partitions = [Partition() for _ in range(partitions)]
        self.group = Group(session_seconds=6.0)
        self._lateness = lateness
        self._dice = dice
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._changed = asyncio.Event()

    def append(self, number: int, value: bytes) -> None:
        self.partitions[number].append(value)
        self._changed.set()
        self._changed = asyncio.Event()

    def grow(self, partitions: int) -> None:
        self.partitions += [Partition() for _ in range(partitions)]

    def freeze(self) -> None:
        self._thawed.clear()

    def thaw(self) -> None:
        self._thawed.set()

    async def late(self) -> None:
        await asyncio.sleep(self._dice.uniform(0, self._lateness.request))
        await self._thawed.wait()

    async def answer(self, request: Any) -> Any:
        """Return a broker's answer; both the request and the answer are late."""
        await self.late()
        sent = request.prepare(_VERSIONS)
        match request:
            case group.JoinGroupRequest():
                answer = await self.group.join(sent)
            case group.SyncGroupRequest():
                answer = await self.group.sync(sent)
            case group.HeartbeatRequest():
                answer = self.group.heartbeat(sent)
            case group.LeaveGroupRequest():
                self.group.leave(sent.member_id)
                answer = SimpleNamespace(error_code=0)
            case commit.OffsetCommitRequest():
                answer = self.group.commit(sent)
            case commit.OffsetFetchRequest():
                answer = self.group.offsets(sent)
            case offset.OffsetRequest():
                answer = self._log_offsets(sent)
            case fetch.FetchRequest():
                answer = await self._fetched(sent)
            case admin.DescribeGroupsRequest():
                answer = self.group.described()
            case coordination.FindCoordinatorRequest():
                answer = SimpleNamespace(error_code=0, coordinator_id=NODE)
            case _:
                raise AssertionError(f"not simulated: {request!r}")
        await self.late()
        return answer

    def _log_offsets(self, request: Any) -> Any:
        def wanted(number: int, time: int) -> int:
            return self.partitions[number].start if time == -2 else self.partitions[number].end

        return SimpleNamespace(
            API_VERSION=1,
            topics=[(topic, [(n, 0, 0, wanted(n, time)) for n, time in parts]) for topic, parts in request.topics],
        )

    async def _fetched(self, request: Any) -> Any:
        deadline = asyncio.get_running_loop().time() + request.max_wait_time / 1000
        while True:
            changed = self._changed
            answer = [
                (topic, [self._part(number, start) for number, start, _ in parts]) for topic, parts in request.topics
            ]
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or any(part[-1] or part[1] for _, parts in answer for part in parts):
                return SimpleNamespace(API_VERSION=4, topics=answer)
            try:
                async with asyncio.timeout(left):
                    await changed.wait()
            except TimeoutError:
                continue

    def _part(self, number: int, start: int) -> tuple[Any, ...]:
        log = self.partitions[number]
        if not log.start <= start <= log.end:
            return number, errors.OffsetOutOfRangeError.errno, -1, -1, [], b""
        offsets = [each for each in range(start, log.end) if each in log.batches][:_MAX_RECORDS]
        return number, 0, log.end, log.end, [], b"".join(log.batches[each] for each in offsets)

    def metadata(self) -> Any:
        listed: list[tuple[Any, ...]] = [
            (0, number, NODE, [NODE], [NODE], []) for number in range(len(self.partitions))
        ]
        return SimpleNamespace(
            API_VERSION=1,
            brokers=[(NODE, "broker", 9092, None)],
            controller_id=NODE,
            topics=[(0, self.topic, False, listed)],
        )
