"""The coordinator's side of the classic consumer group protocol, for simulations."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from aiokafka import errors

_REBALANCE_SECONDS = 10.0


@dataclass
class Member:
    topics: bytes
    instance: str | None
    seen: float
    joining: asyncio.Future[Any] | None = None
    syncing: asyncio.Future[Any] | None = None


class Group:
    """A consumer group, as its coordinator runs it in the classic protocol."""

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
        """Remove members that have not been heard from, and end rebalances that take too long."""
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
        name, instance = request.member_id, request.group_instance_id
        [(self._protocol, topics)] = request.group_protocols
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
                    # a returning static member gets its partitions back, but does not learn that it leads
                    self._assignment[name] = self._assignment.pop(old, b"")
                    announced, self._leader = self._leader, name if self._leader == old else self._leader
                    return self._joined(name, leader=announced)
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
        name = request.member_id
        if name not in self.members:
            return _sync(errors.UnknownMemberIdError)
        if request.generation_id != self.generation:
            return _sync(errors.IllegalGenerationError)
        if self.state == "Preparing":
            return _sync(errors.RebalanceInProgressError)
        if self.state == "Stable":
            return _sync(errors.NoError, self._assignment.get(name, b""))
        if request.group_assignment:
            self._assignment = {key: _bytes(value) for key, value in request.group_assignment}
            self.state = "Stable"
            for key, member in self.members.items():
                if member.syncing is not None:
                    _answer(member.syncing, _sync(errors.NoError, self._assignment.get(key, b"")))
                    member.syncing = None
            return _sync(errors.NoError, self._assignment.get(name, b""))
        syncing: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.members[name].syncing = syncing
        return await syncing

    def check(self, name: str, generation: int) -> Any:
        """Return the class of aiokafka's error for a member's request."""
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
        error = self.check(request.member_id, request.generation_id)
        if error is errors.NoError and self.state == "Preparing":
            error = errors.RebalanceInProgressError
        return SimpleNamespace(error_code=error.errno)

    def commit(self, request: Any) -> Any:
        error = self.check(request.consumer_id, request.consumer_group_generation_id)
        if error is errors.NoError and self.state == "Completing":
            error = errors.RebalanceInProgressError
        if error is errors.NoError:
            for topic, partitions in request.topics:
                self.committed |= {(topic, number): until for number, until, _ in partitions}
        return SimpleNamespace(
            topics=[(topic, [(each[0], error.errno) for each in partitions]) for topic, partitions in request.topics]
        )

    def offsets(self, request: Any) -> Any:
        return SimpleNamespace(
            topics=[
                (topic, [(number, self.committed.get((topic, number), -1), "", 0) for number in numbers])
                for topic, numbers in request.topics
            ]
        )


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
