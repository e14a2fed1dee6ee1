"""What happens in aiokafka's thread: the only place that moves a position."""

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
_OWN_CONNECTION = len(ConnectionGroup)  # neither heartbeats nor fetches wait for the answer
_REBALANCING = ("PreparingRebalance", "CompletingRebalance")


class Taken(NamedTuple):
    """Records that aiokafka has given out, and where it now stands."""

    records: Mapping[TP, Sequence[Any]]
    positions: Mapping[TP, int]
    """The next offset that it will read, of each partition of the assignment that has one."""


class Thread(AIOKafkaConsumerThread):
    """Faust's thread of aiokafka, whose steps `faust_consumer` explains. All but `dead_tasks` is called in it."""

    _covered: tuple[Any, frozenset[TP]] | None = None
    """The assignment and the partitions of which each had a member."""

    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> Any:
        consumer = super()._create_consumer(loop)
        consumer._isolation_level = "read_committed"  # Faust offers it only together with its own transactions
        return consumer

    async def on_start(self) -> None:
        await super().on_start()
        coordinator = self._ensure_consumer()._coordinator
        send = coordinator._send_req

        async def send_checked(request: Any) -> Any:
            answer = await send(request)
            # aiokafka looks for errors of partitions alone, and takes a coordinator that is loading for a group without commits
            if isinstance(request, OffsetFetchRequest) and (code := getattr(answer, "error_code", 0)):
                coordinator.coordinator_dead()
                raise for_code(code)()
            return answer

        coordinator._send_req = send_checked

    def close(self) -> None:
        """Do nothing in a rebalance of a worker that stops: the stop of the thread closes the consumer.

        Faust would close the client first, from another thread; the coordinator then waits for ever for its metadata.
        """

    def current_assignment(self) -> Any:
        """aiokafka's object, another one after every rebalance; None before the first."""
        subscription = self._ensure_consumer()._subscription.subscription
        return subscription and subscription.assignment

    async def starts(self, assignment: Any) -> dict[TP, PartitionProgress]:
        """Where aiokafka starts to read each partition, held against what is committed, else what Kafka keeps.

        These are asked for after aiokafka has asked: a commit that arrives meanwhile only moves them forward.
        """
        consumer = self._ensure_consumer()
        partitions = list(assignment.tps)
        positions = dict(zip(partitions, await asyncio.gather(*map(consumer.position, partitions)), strict=True))
        found = await consumer._coordinator.fetch_committed_offsets(partitions)
        committed = {at: each.offset for at, each in found.items() if each.offset >= 0}
        known = committed | await consumer.beginning_offsets([at for at in partitions if at not in committed])
        return {TP(*at): PartitionProgress(min(position, known[at])) for at, position in positions.items()}

    async def take(self, assignment: Any, wanted: Collection[TP], limit: int) -> Taken:
        """At most `limit` records of the `wanted` partitions, as soon as there are any, or none after a while.

        Raises KafkaError when aiokafka cannot go on.
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
            self._rewind(assignment, before)  # what it had taken of other partitions went with the error
            broken = unreadable(fetcher)
            if not broken:
                raise
            for at in broken:
                if self.current_assignment() is assignment:
                    await read_leniently(consumer, assignment, at)
            return Taken({}, before)
        # no turn of the event loop between aiokafka's last step and these
        for at in records:
            if at in fetcher._records:
                fetcher._records.move_to_end(at)  # the other partitions come first next time
        if self.current_assignment() is not assignment or not self.consumer.flow_active:
            self._rewind(self.current_assignment(), {at: batch[0].offset for at, batch in records.items()})
            records = {}
        return Taken({TP(*at): batch for at, batch in records.items()}, _positions(assignment))

    async def give_back(self, assignment: Any, offsets: Mapping[TP, int]) -> None:
        """Lets each partition be read again from its offset on."""
        self._rewind(assignment, offsets)

    def _rewind(self, assignment: Any, offsets: Mapping[Any, int]) -> None:
        if self.current_assignment() is not assignment:
            return  # a later one starts at what is committed
        for at, offset in offsets.items():
            state = assignment.state_value(at)
            if state.has_valid_position and offset < state.position:
                self._ensure_consumer()._fetcher.seek_to(TopicPartition(*at), offset)

    def dead_tasks(self) -> list[str]:
        """Return the background tasks of aiokafka that have ended; without them it stalls silently."""
        consumer = self._consumer
        if consumer is None or consumer._closed or consumer._coordinator is None:  # the last that it makes at its start
            return []
        tasks = {
            "coordination": consumer._coordinator._coordination_task,
            "fetching": consumer._fetcher._fetch_task,
            "metadata": consumer._client._sync_task,
        }
        return [f"{name}: {_outcome(task)}" for name, task in tasks.items() if task is not None and task.done()]

    async def unassigned(self) -> frozenset[TP]:
        """The partitions of our topics that no member of the group has; none while the group is rebalancing.

        Kafka is asked until every partition has a member, and again after a rebalance and when partitions were added.

        aiokafka watches for new partitions only in the member that leads the group, and a static member that comes back is
        not told that it leads.
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
        # the embedded broker names members and not what they have: that says nothing of who has what
        if error or state in _REBALANCING or not all(assignments):
            return frozenset()
        left = partitions.difference(*(ConsumerProtocol.ASSIGNMENT.decode(each).partitions() for each in assignments))
        if not left:
            self._covered = (assignment, partitions)
        return left

    async def rejoin(self) -> None:
        """Joins the group again: if this member leads it, all partitions that there are now are assigned."""
        self._ensure_consumer()._coordinator.request_rejoin()


def _positions(assignment: Any) -> dict[TP, int]:
    states = {at: assignment.state_value(at) for at in assignment.tps}
    return {TP(*at): state.position for at, state in states.items() if state.has_valid_position}


def _outcome(task: asyncio.Task[Any]) -> str:
    with contextlib.suppress(asyncio.CancelledError):
        return repr(task.exception())
    return "cancelled"
