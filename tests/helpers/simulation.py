"""Kafka, time and threads, simulated: workers with their real consumers run against it in one thread, as a seed says.

What is real: the worker's recipe and consumer, Faust's rebalancing and recovery, aiokafka's coordinator, fetcher and client.
What is not: sockets (requests are answered by `Cluster`), the two threads of a worker (both run on one loop, and every call
between them is late by chance) and the clock (it jumps to whatever is due next). Any step of any task may be late by chance,
as far as `Lateness` says, so that each await is a window into which anything else can fall.
"""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from aiokafka import AIOKafkaClient, errors
from aiokafka.cluster import ClusterMetadata
from aiokafka.protocol import admin, commit, coordination, fetch, group, offset
from aiokafka.record.default_records import DefaultRecordBatchBuilder

NODE = 0
_MAX_RECORDS = 5
_TURN_SECONDS = (
    1e-6  # a turn of the loop takes time, or whoever waits for less than the clock shows would wait for ever
)
_REBALANCE_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Lateness:
    """How late things are: each step of a task with `chance`, by at most `step` seconds; each request by at most `request`."""

    chance: float
    step: float
    request: float


class SimulatedLoop(asyncio.BaseEventLoop):
    """An event loop whose time jumps, and whose steps are late by chance."""

    def __init__(self, lateness: Lateness, dice: random.Random) -> None:
        super().__init__()
        self._now = 0.0
        self._lateness = lateness
        self._dice = dice
        self._selector = SimpleNamespace(select=self._jump, close=lambda: None)

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
        if self._dice.random() < self._lateness.chance:
            return self.call_later(self._dice.uniform(0, self._lateness.step), callback, *args, context=context)
        return super().call_soon(callback, *args, context=context)

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        return self.call_soon(callback, *args, context=context)

    def _jump(self, timeout: float | None) -> list[Any]:
        assert timeout is not None, "nothing is due any more"
        self._now += max(timeout, _TURN_SECONDS)
        return []

    def _process_events(self, events: list[Any]) -> None:
        """There are none: nothing here waits for a file."""


@dataclass
class Partition:
    """A log; offsets that hold no record are missing in `records`."""

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
        """Offsets that no reader is given: as of markers and aborted records."""
        self.end += offsets

    def expire(self, until: int) -> None:
        """What retention does."""
        self.start = max(self.start, min(until, self.end))
        for each in [each for each in self.records if each < self.start]:
            del self.records[each], self.batches[each]


@dataclass
class Member:
    topics: bytes
    instance: str | None
    seen: float
    joining: asyncio.Future[Any] | None = None
    syncing: asyncio.Future[Any] | None = None


class Group:
    """The classic protocol of consumer groups, as its coordinator plays it."""

    def __init__(self, session_seconds: float) -> None:
        self._session = session_seconds
        self._ids = 0
        self.generation = 0
        self.state = "Empty"
        self.members: dict[str, Member] = {}
        self.committed: dict[tuple[str, int], int] = {}
        self._leader = ""
        self._protocol = ""
        self._assignment: dict[str, bytes] = {}
        self._deadline = 0.0

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def watch(self) -> None:
        """Members that are not heard of leave; a rebalance does not wait for ever."""
        while True:
            await asyncio.sleep(0.5)
            waiting = {name for name, member in self.members.items() if member.joining is not None}
            for name, member in list(self.members.items()):
                late = self._now() - member.seen > self._session and name not in waiting
                if late or (self.state == "Preparing" and self._now() > self._deadline and name not in waiting):
                    self.leave(name)

    def leave(self, name: str) -> None:
        if self.members.pop(name, None) is None:
            return
        if self.state in {"Stable", "Completing"}:
            self._prepare()
        self._complete_join()

    def _prepare(self) -> None:
        self.state = "Preparing"
        self._deadline = self._now() + _REBALANCE_SECONDS
        for member in self.members.values():
            if member.syncing is not None:
                _answer(member.syncing, _sync(errors.RebalanceInProgressError))
                member.syncing = None

    async def join(self, request: Any) -> Any:
        name, instance = request._member_id, request._group_instance_id
        [(self._protocol, topics)] = request._group_protocols
        if name and name not in self.members:
            return _join(errors.UnknownMemberIdError)
        if not name:
            self._ids += 1
            name = f"member-{self._ids:04}"
            old = next((key for key, each in self.members.items() if instance and each.instance == instance), None)
            if old is not None:
                member = self.members.pop(old)
                self.members[name] = Member(topics, instance, self._now())
                if self.state == "Stable":
                    # whoever comes back under its name gets its partitions, and is not told that it leads
                    self._assignment[name] = self._assignment.pop(old, b"")
                    told, self._leader = self._leader, name if self._leader == old else self._leader
                    return self._joined(name, leader=told)
                self._leader = name if self._leader == old else self._leader
                _answer(member.joining, _join(errors.UnknownMemberIdError))
            else:
                self.members[name] = Member(topics, instance, self._now())
            if self.state != "Preparing":
                self._prepare()
        elif (self.state == "Stable" and name != self._leader and self.members[name].topics == topics) or (
            self.state == "Completing" and self.members[name].topics == topics
        ):
            return self._joined(name)
        elif self.state != "Preparing":
            self._prepare()
        member = self.members[name]
        member.seen = self._now()
        joining: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        member.joining = joining
        self._complete_join()
        return await joining

    def _complete_join(self) -> None:
        if self.state != "Preparing" or any(member.joining is None for member in self.members.values()):
            return
        if not self.members:
            self.state = "Empty"
            return
        self.generation += 1
        self.state = "Completing"
        if self._leader not in self.members:
            self._leader = next(iter(self.members))
        for name, member in self.members.items():
            _answer(member.joining, self._joined(name))
            member.joining, member.seen = None, self._now()

    def _joined(self, name: str, leader: str | None = None) -> Any:
        leader = self._leader if leader is None else leader
        listed = [(key, member.instance, member.topics) for key, member in self.members.items()]
        return _join(
            errors.NoError,
            group_protocol=self._protocol,
            generation_id=self.generation,
            member_id=name,
            leader_id=leader,
            members=listed if leader == name else [],
        )

    async def sync(self, request: Any) -> Any:
        name = request._member_id
        if name not in self.members:
            return _sync(errors.UnknownMemberIdError)
        if request._generation_id != self.generation:
            return _sync(errors.IllegalGenerationError)
        if self.state == "Preparing":
            return _sync(errors.RebalanceInProgressError)
        if self.state == "Stable":
            return _sync(errors.NoError, self._assignment.get(name, b""))
        if request._group_assignment:
            self._assignment = {key: _bytes(value) for key, value in request._group_assignment}
            self.state = "Stable"
            for key, member in self.members.items():
                if member.syncing is not None:
                    _answer(member.syncing, _sync(errors.NoError, self._assignment.get(key, b"")))
                    member.syncing = None
            return _sync(errors.NoError, self._assignment.get(name, b""))
        syncing: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.members[name].syncing = syncing
        return await syncing

    def check(self, name: str, generation: int) -> type[errors.KafkaError]:
        if name not in self.members:
            return errors.UnknownMemberIdError
        if generation != self.generation:
            return errors.IllegalGenerationError
        self.members[name].seen = self._now()
        return errors.NoError

    def described(self) -> Any:
        listed = [(name, "", "", b"", self._assignment.get(name, b"")) for name in self.members]
        return SimpleNamespace(groups=[(0, "group", self.state, "consumer", self._protocol, listed)])

    def heartbeat(self, request: Any) -> Any:
        error = self.check(request._member_id, request._generation_id)
        if error is errors.NoError and self.state == "Preparing":
            error = errors.RebalanceInProgressError
        return SimpleNamespace(error_code=error.errno)

    def commit(self, request: Any) -> Any:
        error = self.check(request._consumer_id, request._consumer_group_generation_id)
        if error is errors.NoError and self.state == "Completing":
            error = errors.RebalanceInProgressError
        if error is errors.NoError:
            for topic, partitions in request._topics:
                self.committed |= {(topic, number): until for number, until, _ in partitions}
        return SimpleNamespace(
            topics=[(topic, [(each[0], error.errno) for each in partitions]) for topic, partitions in request._topics]
        )

    def offsets(self, request: Any) -> Any:
        return SimpleNamespace(
            topics=[
                (topic, [(number, self.committed.get((topic, number), -1), "", 0) for number in numbers])
                for topic, numbers in request._partitions
            ]
        )


class Cluster:
    """One broker with one topic and one group, which can be slow, silent, grow and forget."""

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
        """What a broker answers; late on the way there and back."""
        await self.late()
        match request:
            case group.JoinGroupRequest():
                answer = await self.group.join(request)
            case group.SyncGroupRequest():
                answer = await self.group.sync(request)
            case group.HeartbeatRequest():
                answer = self.group.heartbeat(request)
            case group.LeaveGroupRequest():
                self.group.leave(request._member_id)
                answer = SimpleNamespace(error_code=0)
            case commit.OffsetCommitRequest():
                answer = self.group.commit(request)
            case commit.OffsetFetchRequest():
                answer = self.group.offsets(request)
            case offset.OffsetRequest():
                answer = self._log_offsets(request)
            case fetch.FetchRequest():
                answer = await self._fetched(request)
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
            topics=[(topic, [(n, 0, 0, wanted(n, time)) for n, time in parts]) for topic, parts in request._topics],
        )

    async def _fetched(self, request: Any) -> Any:
        deadline = asyncio.get_running_loop().time() + request._max_wait_ms / 1000
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
        listed = [(0, number, NODE, [NODE], [NODE], []) for number in range(len(self.partitions))]
        return SimpleNamespace(
            API_VERSION=1,
            brokers=[(NODE, "broker", 9092, None)],
            controller_id=NODE,
            topics=[(0, self.topic, False, listed)],
        )


def client_of(cluster: Cluster, connected: Callable[[], bool]) -> type[AIOKafkaClient]:
    """A class to put in the place of aiokafka's client: the real one, but for its connections."""

    class SimulatedClient(AIOKafkaClient):  # type: ignore[misc]
        async def bootstrap(self) -> None:
            await cluster.late()
            self.cluster.update_metadata(cluster.metadata())
            self._sync_task = asyncio.create_task(self._md_synchronizer())

        async def _metadata_update(self, known: ClusterMetadata, topics: Any) -> bool:
            await cluster.late()
            known.update_metadata(cluster.metadata())
            return True

        async def send(self, node_id: int, request: Any, *, group: Any = None) -> Any:
            if not connected():
                raise errors.KafkaConnectionError("the process is dead")
            try:
                async with asyncio.timeout(self._request_timeout_ms / 1000):
                    answer = await cluster.answer(request)
            except TimeoutError:
                raise errors.RequestTimedOutError from None
            if not connected():
                raise errors.KafkaConnectionError("the process is dead")
            return answer

        async def ready(self, node_id: int, *, group: Any = None) -> bool:
            return connected()

    return SimulatedClient


def _join(error: type[errors.KafkaError], **fields: Any) -> Any:
    empty = {"group_protocol": "", "generation_id": -1, "member_id": "", "leader_id": "", "members": []}
    return SimpleNamespace(API_VERSION=5, error_code=error.errno, **(empty | fields))


def _sync(error: type[errors.KafkaError], assignment: bytes = b"") -> Any:
    return SimpleNamespace(error_code=error.errno, member_assignment=assignment)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else bytes(value.encode())


def _answer(future: asyncio.Future[Any] | None, answer: Any) -> None:
    if future is not None and not future.done():
        future.set_result(answer)
