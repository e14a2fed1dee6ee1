"""The part of the consumer that runs in aiokafka's thread, the only place that moves positions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from faust.types import TP

from streams.kafka import aiokafka_internals
from streams.kafka.aiokafka_internals import GroupDescription
from streams.runtime.faust_internals import FaustThread
from streams.runtime.progress import PartitionProgress

_FETCH_MS = 1_000
_REBALANCING = ("PreparingRebalance", "CompletingRebalance")


class Taken(NamedTuple):
    """Records taken from aiokafka, and its positions afterwards."""

    records: Mapping[TP, Sequence[Any]]
    positions: Mapping[TP, int]
    """The next offset to read, of each partition of the assignment that has a position."""


class Thread(FaustThread):
    """Faust's thread for aiokafka; `faust_consumer` explains its steps.

    All methods except `background_tasks` and `dead_tasks` run in it.
    """

    _covered: tuple[Any, frozenset[TP]] | None = None
    """The assignment and the partitions at the last check that found an owner for every partition."""

    async def on_start(self) -> None:
        await super().on_start()
        aiokafka_internals.check_offset_fetches(self.client)

    def close(self) -> None:
        """Do nothing, because stopping the thread closes the consumer.

        When a worker stops during a rebalance, Faust would first close the client from another thread, and the
        coordinator would wait indefinitely for its metadata.
        """

    def current_assignment(self) -> Any:
        """Return aiokafka's assignment object: a new one after every rebalance, None before the first."""
        return aiokafka_internals.current_assignment(self.client)

    async def starts(self, assignment: Any) -> dict[TP, PartitionProgress]:
        """Return the progress of each partition, starting no later than the committed offset.

        The start is aiokafka's position or the committed offset, whichever is lower; without a commit, the first offset
        that Kafka retains takes its place. These are requested after aiokafka's own request: a commit that arrives in
        between only moves them forward.
        """
        consumer = self.client
        partitions = list(assignment.tps)
        positions = dict(zip(partitions, await asyncio.gather(*map(consumer.position, partitions)), strict=True))
        committed = await aiokafka_internals.committed_offsets(consumer, partitions)
        known = committed | await consumer.beginning_offsets([at for at in partitions if at not in committed])
        return {TP(*at): PartitionProgress(min(position, known[at])) for at, position in positions.items()}

    async def take(self, assignment: Any, wanted: Collection[TP], limit: int) -> Taken:
        """Return at most `limit` records of the wanted partitions as soon as there are any, or none after a timeout.

        Raises:
            KafkaError: aiokafka cannot continue.
        """
        consumer = self.client
        before = _positions(assignment)
        try:
            records = await consumer.getmany(
                *(TopicPartition(*at) for at in wanted), timeout_ms=_FETCH_MS, max_records=limit
            )
        except UnicodeDecodeError:
            # the records that it had taken of other partitions are lost with the error
            self.rewind(assignment, before)
            broken = aiokafka_internals.unreadable(consumer)
            if not broken:
                raise
            for at in broken:
                if self.current_assignment() is assignment:
                    await aiokafka_internals.read_leniently(consumer, assignment, at)
            return Taken({}, before)
        # the event loop must not run between aiokafka's last step and these
        aiokafka_internals.put_last(consumer, records)
        if self.current_assignment() is not assignment or not self.consumer.flow_active:
            self.rewind(self.current_assignment(), {at: batch[0].offset for at, batch in records.items()})
            records = {}
        return Taken({TP(*at): batch for at, batch in records.items()}, _positions(assignment))

    async def give_back(self, assignment: Any, offsets: Mapping[TP, int]) -> None:
        """Rewind as `rewind` does, called from the main thread."""
        self.rewind(assignment, offsets)

    def rewind(self, assignment: Any, offsets: Mapping[Any, int]) -> None:
        """Rewind each partition to the given offset, unless there is a later assignment."""
        if self.current_assignment() is not assignment:
            return  # a later assignment starts at the committed offsets
        positions = _positions(assignment) if offsets else {}
        for at, offset in offsets.items():
            if at in positions and offset < positions[at]:
                self.client.seek(TopicPartition(*at), offset)

    def background_tasks(self) -> Mapping[str, asyncio.Task[None]]:
        """Return the tasks of aiokafka without which it stalls silently; none before it has started."""
        return aiokafka_internals.background_tasks(self.client) if self.is_started else {}

    def dead_tasks(self) -> list[str]:
        """Return the background tasks of aiokafka that have ended."""
        return [f"{name}: {_outcome(task)}" for name, task in self.background_tasks().items() if task.done()]

    async def unassigned(self) -> frozenset[TP]:
        """Return the partitions of the subscribed topics that no group member owns; none while the group rebalances.

        Once every partition has an owner, Kafka is not asked again until there is a rebalance or partitions are added.

        This check is needed because aiokafka looks for new partitions only in the group leader, and a static member
        that returns is not informed that it is the leader.
        """
        consumer = self.client
        partitions = frozenset(
            TP(topic, number)
            for topic in consumer.subscription()
            for number in consumer.partitions_for_topic(topic) or ()
        )
        assignment = self.current_assignment()
        if self._covered == (assignment, partitions):
            return frozenset()
        group = await aiokafka_internals.describe_group(consumer)
        left = group and without_owner(partitions, group)
        if left is None:
            return frozenset()
        if not left:
            self._covered = (assignment, partitions)
        return left

    async def rejoin(self) -> None:
        """Rejoin the group; if this member leads it, all current partitions are assigned."""
        aiokafka_internals.rejoin(self.client)


def without_owner(partitions: frozenset[TP], group: GroupDescription) -> frozenset[TP] | None:
    """Return the partitions that no member of the group owns; None if that is not known or about to change."""
    owned = [each for each in group.assigned if each is not None]
    # the embedded broker reports members without their assignments, so nothing is known about the partitions
    if group.error or group.state in _REBALANCING or len(owned) < len(group.assigned):
        return None
    return partitions.difference(*owned)


def _positions(assignment: Any) -> dict[TP, int]:
    return {TP(*at): position for at, position in aiokafka_internals.positions(assignment).items()}


def _outcome(task: asyncio.Task[Any]) -> str:
    with contextlib.suppress(asyncio.CancelledError):
        return repr(task.exception())
    return "cancelled"
