"""The part of the consumer that runs in aiokafka's thread, the only place that moves positions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.client import ConnectionGroup
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import ConsumerStoppedError, for_code
from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.protocol.commit import OffsetFetchRequest
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TP

from streams.kafka.lenient_records import read_leniently, unreadable
from streams.runtime.progress import PartitionProgress

_FETCH_SECONDS = 1.0
_DESCRIBE_SECONDS = 5.0
_OWN_CONNECTION = len(ConnectionGroup)  # so that neither heartbeats nor fetches wait for the answer
_REBALANCING = ("PreparingRebalance", "CompletingRebalance")


class Taken(NamedTuple):
    """Records taken from aiokafka, and its positions afterwards."""

    records: Mapping[TP, Sequence[Any]]
    positions: Mapping[TP, int]
    """The next offset to read, of each partition of the assignment that has a position."""


class Thread(AIOKafkaConsumerThread):
    """Faust's thread for aiokafka; `faust_consumer` explains its steps. All methods except `dead_tasks` run in it."""

    _covered: tuple[Any, frozenset[TP]] | None = None
    """The assignment and the partitions at the last check that found an owner for every partition."""

    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> Any:
        consumer = super()._create_consumer(loop)
        consumer._isolation_level = "read_committed"  # Faust supports it only together with its own transactions
        return consumer

    async def on_start(self) -> None:
        await super().on_start()
        coordinator = self._ensure_consumer()._coordinator
        send = coordinator._send_req

        async def send_checked(request: Any) -> Any:
            answer = await send(request)
            # aiokafka checks only the errors of partitions, and takes a coordinator that is loading for a group without
            # commits
            if isinstance(request, OffsetFetchRequest) and (code := getattr(answer, "error_code", 0)):
                coordinator.coordinator_dead()
                raise for_code(code)()
            return answer

        coordinator._send_req = send_checked

    def close(self) -> None:
        """Do nothing, because stopping the thread closes the consumer.

        When a worker stops during a rebalance, Faust would first close the client from another thread, and the
        coordinator would wait indefinitely for its metadata.
        """

    def current_assignment(self) -> Any:
        """Return aiokafka's assignment object: a new one after every rebalance, None before the first."""
        subscription = self._ensure_consumer()._subscription.subscription
        return subscription and subscription.assignment

    async def starts(self, assignment: Any) -> dict[TP, PartitionProgress]:
        """Return the progress of each partition, starting no later than the committed offset.

        The start is aiokafka's position or the committed offset, whichever is lower; without a commit, the first offset
        that Kafka retains takes its place. These are requested after aiokafka's own request: a commit that arrives in
        between only moves them forward.
        """
        consumer = self._ensure_consumer()
        partitions = list(assignment.tps)
        positions = dict(zip(partitions, await asyncio.gather(*map(consumer.position, partitions)), strict=True))
        found = await consumer._coordinator.fetch_committed_offsets(partitions)
        committed = {at: each.offset for at, each in found.items() if each.offset >= 0}
        known = committed | await consumer.beginning_offsets([at for at in partitions if at not in committed])
        return {TP(*at): PartitionProgress(min(position, known[at])) for at, position in positions.items()}

    async def take(self, assignment: Any, wanted: Collection[TP], limit: int) -> Taken:
        """Return at most `limit` records of the wanted partitions as soon as there are any, or none after a timeout.

        Raises:
            KafkaError: aiokafka cannot continue.
        """
        consumer = self._ensure_consumer()
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        consumer._coordinator.check_errors()
        before = _positions(assignment)
        try:
            with fetcher._subscriptions.fetch_context():
                records = await fetcher.fetched_records(wanted, timeout=_FETCH_SECONDS, max_records=limit)
        except UnicodeDecodeError:
            # the records that it had taken of other partitions are lost with the error
            self._rewind(assignment, before)
            broken = unreadable(fetcher)
            if not broken:
                raise
            for at in broken:
                if self.current_assignment() is assignment:
                    await read_leniently(consumer, assignment, at)
            return Taken({}, before)
        # the event loop must not run between aiokafka's last step and these
        for at in records:
            if at in fetcher._records:
                fetcher._records.move_to_end(at)  # so that the other partitions come first next time
        if self.current_assignment() is not assignment or not self.consumer.flow_active:
            self._rewind(self.current_assignment(), {at: batch[0].offset for at, batch in records.items()})
            records = {}
        return Taken({TP(*at): batch for at, batch in records.items()}, _positions(assignment))

    async def give_back(self, assignment: Any, offsets: Mapping[TP, int]) -> None:
        """Rewind each partition to the given offset."""
        self._rewind(assignment, offsets)

    def _rewind(self, assignment: Any, offsets: Mapping[Any, int]) -> None:
        if self.current_assignment() is not assignment:
            return  # a later assignment starts at the committed offsets
        for at, offset in offsets.items():
            state = assignment.state_value(at)
            if state.has_valid_position and offset < state.position:
                self._ensure_consumer()._fetcher.seek_to(TopicPartition(*at), offset)

    def dead_tasks(self) -> list[str]:
        """Return the background tasks of aiokafka that have ended; without them it stalls silently."""
        consumer = self._consumer
        if consumer is None or consumer._closed or consumer._coordinator is None:  # set last during its start
            return []
        tasks = {
            "coordination": consumer._coordinator._coordination_task,
            "fetching": consumer._fetcher._fetch_task,
            "metadata": consumer._client._sync_task,
        }
        return [f"{name}: {_outcome(task)}" for name, task in tasks.items() if task is not None and task.done()]

    async def unassigned(self) -> frozenset[TP]:
        """Return the partitions of the subscribed topics that no group member owns; none while the group rebalances.

        Once every partition has an owner, Kafka is not asked again until there is a rebalance or partitions are added.

        This check is needed because aiokafka looks for new partitions only in the group leader, and a static member
        that returns is not informed that it is the leader.
        """
        consumer = self._ensure_consumer()
        client, coordinator = consumer._client, consumer._coordinator
        partitions = frozenset(
            TP(topic, number)
            for topic in consumer.subscription()
            for number in client.cluster.partitions_for_topic(topic) or ()
        )
        assignment = self.current_assignment()
        if self._covered == (assignment, partitions) or coordinator.coordinator_id is None:
            return frozenset()
        request = DescribeGroupsRequest([coordinator.group_id])
        async with asyncio.timeout(_DESCRIBE_SECONDS):
            answer = await client.send(coordinator.coordinator_id, request, group=_OWN_CONNECTION)
        error, _, state, _, _, members = answer.groups[0][:6]
        assignments = [member[4] for member in members]
        # the embedded broker reports members without their assignments, so nothing is known about the partitions
        if error or state in _REBALANCING or not all(assignments):
            return frozenset()
        left = partitions.difference(*(ConsumerProtocol.ASSIGNMENT.decode(each).partitions() for each in assignments))
        if not left:
            self._covered = (assignment, partitions)
        return left

    async def rejoin(self) -> None:
        """Rejoin the group; if this member leads it, all current partitions are assigned."""
        self._ensure_consumer()._coordinator.request_rejoin()


def _positions(assignment: Any) -> dict[TP, int]:
    states = {at: assignment.state_value(at) for at in assignment.tps}
    return {TP(*at): state.position for at, state in states.items() if state.has_valid_position}


def _outcome(task: asyncio.Task[Any]) -> str:
    with contextlib.suppress(asyncio.CancelledError):
        return repr(task.exception())
    return "cancelled"
