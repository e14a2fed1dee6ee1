"""What tagpulse uses of aiokafka's consumer beyond its public API: the only module that does.

All functions are called in the event loop of the consumer.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import ConnectionGroup
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import for_code
from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy

from streams.kafka.checked_versions import require_checked
from streams.kafka.header_names import LenientBytes

require_checked("aiokafka")

_MAX_WAIT_MS = 500
_DESCRIBE_SECONDS = 5.0
_OWN_CONNECTION = len(ConnectionGroup)  # so that neither heartbeats nor fetches wait for the answer


def read_committed(consumer: AIOKafkaConsumer) -> None:
    """Let a consumer that has not started skip aborted records, by setting `_isolation_level`.

    This is an option of the constructor, but Faust, which calls it, gives it only together with its own transactions.
    """
    consumer._isolation_level = "read_committed"


def check_offset_fetches(consumer: AIOKafkaConsumer) -> None:
    """Let a started consumer heed the error of a whole answer to a request for committed offsets.

    aiokafka checks only the errors of partitions, and takes a coordinator that is loading for a group without commits.
    The requests of the coordinator pass through its `_send_req`.
    """
    coordinator = consumer._coordinator
    send = coordinator._send_req

    async def send_checked(request: Any) -> Any:
        answer = await send(request)
        if isinstance(request, OffsetFetchRequest) and (code := getattr(answer, "error_code", 0)):
            coordinator.coordinator_dead()
            raise for_code(code)()
        return answer

    coordinator._send_req = send_checked


def current_assignment(consumer: AIOKafkaConsumer) -> Assignment | None:
    """Return the object of the current assignment: a new one after every rebalance, None before the first.

    `AIOKafkaConsumer.assignment` returns the partitions alone, so that two assignments of the same partitions look alike.
    """
    subscription = consumer._subscription.subscription
    return subscription and subscription.assignment


def positions(assignment: Assignment) -> dict[TopicPartition, int]:
    """Return the next offset to read of each partition that has one.

    `AIOKafkaConsumer.position` waits for the others, and knows no assignment but the current one.
    """
    states = {at: assignment.state_value(at) for at in assignment.tps}
    return {at: state.position for at, state in states.items() if state.has_valid_position}


async def committed_offsets(
    consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, int]:
    """Return the committed offset of each partition that has one, which `committed` would ask for one by one.

    Raises:
        KafkaError: The offsets cannot be read.
    """
    found = await consumer._coordinator.fetch_committed_offsets(partitions)
    return {at: each.offset for at, each in found.items() if each.offset >= 0}


def put_last(consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]) -> None:
    """Let the next read start with the other partitions.

    `getmany` always returns the records of the partition first that is first in `_fetcher._records`.
    """
    records = consumer._fetcher._records
    for at in partitions:
        if at in records:
            records.move_to_end(at)


def unreadable(consumer: AIOKafkaConsumer) -> list[TopicPartition]:
    """Return the partitions at whose buffered records the parser has failed: its generator has ended too early."""
    return [
        at
        for at, result in consumer._fetcher._records.items()
        if isinstance(result, FetchResult)
        and result.has_more()
        and inspect.getgeneratorstate(result._partition_records._records_iterator) == inspect.GEN_CLOSED
    ]


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    def __iter__(self) -> Any:
        super().__iter__()
        self._buffer: Any = LenientBytes(self._buffer)
        return self


class _LenientRecords(_MemoryRecordsPy):  # type: ignore[misc]
    def next_batch(self) -> Any:
        batch = self._next_slice
        self._cache_next()
        return _LenientBatch(batch)


async def read_leniently(consumer: AIOKafkaConsumer, assignment: Assignment, at: TopicPartition) -> None:
    """Replace the buffered records of a partition, from its position on, after the parser failed at them.

    No public method parses records otherwise or puts them into the buffer, `_fetcher._records`; the request is sent with
    the consumer's own `_client` and its own limit, `_max_partition_fetch_bytes`.

    Raises:
        KafkaError: The records cannot be fetched.
    """
    fetcher, client = consumer._fetcher, consumer._client
    del fetcher._records[at]  # asking it again would skip the records that it had parsed before it failed
    position, limit = assignment.state_value(at).position, consumer._max_partition_fetch_bytes
    request = FetchRequest(_MAX_WAIT_MS, 1, limit, READ_COMMITTED, [(at.topic, [(at.partition, position, limit)])])
    answer = await client.send(client.cluster.leader_for_partition(at), request)
    [(_, [(_, _, _, *part)])] = answer.topics
    aborted = part[2] if answer.API_VERSION >= 11 else part[-2]
    records = PartitionRecords(
        at, _LenientRecords(bytes(part[-1])), aborted, position, None, None, True, READ_COMMITTED
    )
    if assignment.active:
        fetcher._records[at] = FetchResult(at, assignment=assignment, partition_records=records, backoff=0)


def background_tasks(consumer: AIOKafkaConsumer) -> Mapping[str, asyncio.Task[None]]:
    """Return the tasks without which a consumer stalls silently; none unless it has started and is not closed.

    aiokafka looks after none of them. May be called from any thread.
    """
    if consumer._closed or consumer._coordinator is None:  # set last during its start
        return {}
    tasks = {
        "coordination": consumer._coordinator._coordination_task,
        "fetching": consumer._fetcher._fetch_task,
        "metadata": consumer._client._sync_task,
    }
    return {name: task for name, task in tasks.items() if task is not None}


class GroupDescription(NamedTuple):
    """What the coordinator knows of a consumer group."""

    error: int
    state: str
    assigned: Sequence[frozenset[TopicPartition] | None]
    """The partitions of each member; None if the broker does not report them."""


async def describe_group(consumer: AIOKafkaConsumer) -> GroupDescription | None:
    """Ask the coordinator for the consumer's group; return None if the consumer does not know its coordinator.

    aiokafka's admin client does the same, but would need a connection and a search for the coordinator each time.

    Raises:
        KafkaError: The coordinator cannot be asked.
        TimeoutError: It does not answer.
    """
    coordinator = consumer._coordinator
    if coordinator.coordinator_id is None:
        return None
    request = DescribeGroupsRequest([coordinator.group_id])
    async with asyncio.timeout(_DESCRIBE_SECONDS):
        answer = await consumer._client.send(coordinator.coordinator_id, request, group=_OWN_CONNECTION)
    error, _, state, _, _, members = answer.groups[0][:6]
    return GroupDescription(error, state, [_partitions(assignment) for *_, assignment in (m[:5] for m in members)])


def _partitions(assignment: bytes) -> frozenset[TopicPartition] | None:
    return frozenset(ConsumerProtocol.ASSIGNMENT.decode(assignment).partitions()) if assignment else None


def rejoin(consumer: AIOKafkaConsumer) -> None:
    """Rejoin the group; if this member leads it, all current partitions are assigned. aiokafka does so only by itself."""
    consumer._coordinator.request_rejoin()
