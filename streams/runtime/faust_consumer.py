"""A Faust consumer that loses no record: everything it takes from aiokafka is either delivered or given back.

Faust runs aiokafka in a thread of its own and the streams in the main thread. Faust's own consumer also takes records
while its flow is stopped and from paused partitions, drops them, and relies on seeking back to the committed offset.
The position of a partition without a commit stays after the dropped records, which are then lost. This consumer
prevents that in every step of a rebalance:

    revoke    `on_partitions_revoked` stops the flow. From then on, no record of the old assignment is delivered,
              acknowledged or committed. aiokafka waits for this before it rejoins the group.
    assign    aiokafka creates an `Assignment` in which each partition starts at its committed offset, or at the first
              offset that Kafka retains. `on_partitions_assigned` records it; the flow is still stopped.
    resume    `resume_flow`, which Faust may call early, takes effect once the streams know the new partitions. Faust's
              own seek to the committed offsets is skipped, because the positions are already there.
    take      Only aiokafka's thread moves a position, and only for the assignment that the main thread knows. Records
              that arrive after the flow has stopped or the assignment has changed are given back there immediately.
    deliver   The main thread delivers the records one by one, in the order of their offsets. If it cannot deliver some
              of them for any reason, it gives them back: the position returns to the first undelivered record.
    account   Before a record is delivered, the offsets between the previous record and this one are accounted for
              (`offset_gaps`), and so is every move of a position that brought no record.
    ack       A record is acknowledged in its turn, and only for the assignment for which it was read (`progress`).
    commit    Only offsets before which everything is acknowledged are committed, for partitions of this assignment. A
              rejected commit is not counted. A commit delayed beyond a rebalance can only repeat work, because
              everything before it is durable.
    close     Nothing unacknowledged is committed; such records are read again after the next start.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from typing import Any

import faust
from aiokafka.errors import KafkaError
from faust.transport.drivers.aiokafka import Transport
from faust.types import TP

from streams.contracts import partition_name, record_location
from streams.retry.backoff import Backoff, retry
from streams.runtime.faust_internals import FaustConsumer, created_consumer
from streams.runtime.faust_thread import Taken, Thread
from streams.runtime.offset_gaps import Expired, ReadRange, expired
from streams.runtime.progress import OutOfOrder, PartitionProgress
from streams.runtime.task_stacks import task_stacks

logger = logging.getLogger(__name__)

_IDLE_SECONDS = 0.1
_MAX_BACKOFF_SECONDS = 5.0
_ADOPT_SECONDS = 5.0

ReportExpired = Callable[[Expired], Awaitable[None]]
"""Reports records that retention deleted before they were read; returns once the report is published."""


class LosslessConsumer(FaustConsumer):
    """The consumer of an application after `use_lossless_consumer`."""

    def __init__(self, transport: _Transport, *args: Any, **kwargs: Any) -> None:
        super().__init__(transport, *args, **kwargs)
        self._examine, self._report = transport.examine, transport.report
        self._limit = self.app.conf.broker_max_poll_records
        self._assignment: Any = None
        self._epoch = 0
        self.progress: dict[TP, PartitionProgress] = {}
        """The progress of each partition of the current assignment; empty until it is known."""
        self._rebalancing = False
        self._resume_due = False
        self.unassigned: frozenset[TP] = frozenset()
        """Partitions that no member of the group owned at the last check."""

    def create_thread(self) -> Thread:
        return Thread(self, loop=self.loop, beacon=self.beacon)

    def beyond(self, partition: tuple[str, int], handled: int) -> int:
        """Return the offset up to which nothing is left to read once all records before `handled` are handled."""
        progress = self.progress.get(TP(*partition))
        return progress.beyond(handled) if progress else handled

    def is_current(self, message: Any) -> bool:
        """Return whether a message was read for the current assignment."""
        return self._assignment is not None and bool(message.generation_id == self._epoch)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self._rebalancing, self._resume_due = True, False
        self.stop_flow()  # Faust leaves it running if nothing was assigned before
        self._assignment = None
        self.progress = {}
        self.forget_full_buffers()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self._assignment = self.thread.current_assignment()
        self._epoch += 1
        self.progress = {}
        try:
            await super().on_partitions_assigned(assigned, generation_id)
        finally:
            self._rebalancing = False
            if self._resume_due:
                self.resume_flow()

    def resume_flow(self) -> None:
        if self._rebalancing:
            self._resume_due = True
        else:
            super().resume_flow()

    async def perform_seek(self) -> None:
        """Do nothing: assignments start at the right offsets, and Faust's seek skips partitions without a commit."""

    async def read_until(self, is_stopped: Callable[[], bool]) -> None:
        try:
            while not is_stopped():
                await self.sleep(0)  # a take whose answer is ready does not yield to the event loop
                if not self.flow_active:
                    await self.wait(self.can_resume_flow)
                elif wanted := self.fetched():
                    await self.read(wanted)
                else:
                    await self.sleep(_IDLE_SECONDS)
        except self.consumer_stopped_errors:
            if not self.transport.app.should_stop:
                raise
        except asyncio.CancelledError:
            if not self.transport.app.should_stop:
                raise

    async def read(self, wanted: Collection[TP]) -> None:
        """Take records of these partitions once, and deliver them or give them back."""
        assignment = self._assignment
        if not self.progress:
            await self.wait_first(self._load_progress(assignment), self.suspend_flow.wait())
        if assignment is not self._assignment or not self.progress:
            await self.sleep(_IDLE_SECONDS)
            return
        taken = await self.thread.call_thread(self.thread.take, assignment, wanted, self._limit)
        try:
            if self._may_deliver(assignment):
                await self.wait_first(self._deliver(assignment, self.progress, taken), self.suspend_flow.wait())
        finally:
            await self._give_back(assignment, taken)

    async def _load_progress(self, assignment: Any) -> None:
        progress = await self._retry_while_unavailable(lambda: self.thread.call_thread(self.thread.starts, assignment))
        if assignment is self._assignment:
            self.progress = progress

    def _may_deliver(self, assignment: Any) -> bool:
        return self.flow_active and assignment is self._assignment

    async def _deliver(self, assignment: Any, all_progress: Mapping[TP, PartitionProgress], taken: Taken) -> None:
        for at, position in taken.positions.items():
            records, progress = taken.records.get(at, ()), all_progress[at]
            offsets = [record.offset for record in records]
            end = offsets[-1] + 1 if offsets else position
            if offsets and offsets[0] < progress.next:
                await self.thread.commit({at: offsets[0]})
                raise OutOfOrder(
                    f"{record_location(at.topic, at.partition, offsets[0])} came after offset {progress.next - 1}: "
                    "the topic was truncated or recreated; the worker will read from there after a restart"
                )
            if end > progress.next and not progress.is_complete(offsets, end):
                await self.account(at, progress.next, end, offsets)
            for record in records:
                if not self._may_deliver(assignment):
                    return
                message = self.to_message(at, record)
                message.generation_id = self._epoch
                progress.hand_over(record.offset)
                await self.callback(message)
            progress.pass_over(end)

    async def account(self, at: TP, start: int, end: int, offsets: Collection[int]) -> None:
        """Check that `offsets` includes every record from `start` to `end`. Raises RecordsSkipped."""
        found = await self._retry_while_unavailable(lambda: self._examine(at.topic, at.partition, start, end))
        deleted = expired(at.topic, at.partition, start, end, offsets, found)
        if deleted is not None:
            await self._report(deleted)

    async def _give_back(self, assignment: Any, taken: Taken) -> None:
        """Rewind to the first taken record of each partition that was not delivered, so that it is read again."""
        progress = self.progress if assignment is self._assignment else {}
        rest = {
            at: progress[at].next if at in progress else records[0].offset
            for at, records in taken.records.items()
            if at not in progress or progress[at].next <= records[-1].offset
        }
        if rest:
            await self.thread.call_thread(self.thread.give_back, assignment, rest)

    async def _retry_while_unavailable(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        return await retry(ask, (KafkaError, OSError), Backoff(_MAX_BACKOFF_SECONDS), _note_outage)

    def ack(self, message: Any) -> bool:
        """Mark a record as done; records of an earlier assignment are ignored, because they are read again."""
        if message.acked or not self.is_current(message):
            return False
        message.acked = True
        self.progress[message.tp].acknowledge(message.offset)
        return True

    def tracked(self) -> Iterable[TP]:
        return self.progress

    async def commit_acknowledged(self, partitions: Iterable[TP]) -> bool:
        """Commit acknowledged offsets, and count only commits that the group accepted.

        Faust counts a rejected commit as done. If the partition has been assigned again meanwhile, the records that are
        read again would never be committed unless more records follow.
        """
        assigned = self.assignment()
        progress = {at: self.progress[at] for at in partitions if at in assigned}
        offsets = {at: each.acknowledged for at, each in progress.items() if each.acknowledged > each.committed}
        if not offsets or not await self.thread.commit(offsets):
            return False
        for at, offset in offsets.items():
            progress[at].committed = offset
        return True

    async def adopt(self) -> None:
        """Rejoin the group whenever two consecutive checks find the same partition unassigned; runs until cancelled."""
        while True:
            await asyncio.sleep(_ADOPT_SECONDS)
            before = self.unassigned
            try:
                self.unassigned = await self._in_thread(self.thread.unassigned())
                if left := self.unassigned & before:
                    logger.warning(
                        "no worker has %s: joining the group again",
                        ", ".join(partition_name(*at) for at in sorted(left)),
                    )
                    await self._in_thread(self.thread.rejoin())
            except Exception as error:
                # whatever the client raises while the broker is away: the next check comes soon
                logger.debug("the partition assignments of the group cannot be read from Kafka: %r", error)
                self.unassigned = frozenset()

    async def _in_thread(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine in aiokafka's thread, bypassing Faust's call queue, which serves only two calls at a time."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.thread.thread_loop))

    def status_lines(self) -> list[str]:
        """Return the state of each partition and the stacks of the thread's tasks, to diagnose a stall."""
        fetched = self.fetched()
        partitions = [
            f"{partition_name(*at)} read to {each.next}, committed {each.committed}, {each.pending} not acknowledged "
            f"from {each.acknowledged}, {'fetched' if at in fetched else 'not fetched'}"
            for at, each in sorted(self.progress.items())
        ]
        return [
            f"flow {'active' if self.flow_active else 'stopped'}",
            *partitions,
            *task_stacks(self.thread.thread_loop),
        ]


class _Transport(Transport):  # type: ignore[misc]
    Consumer = LosslessConsumer

    def __init__(self, app: faust.App, examine: ReadRange, report: ReportExpired) -> None:
        super().__init__(app.conf.broker_consumer, app)
        self.examine = examine
        self.report = report


def use_lossless_consumer(app: faust.App, examine: ReadRange, report: ReportExpired) -> None:
    """Make an application use the lossless consumer.

    Args:
        app: The application, before it starts.
        examine: Reads a range of offsets again to explain a gap.
        report: Called with records that retention deleted before they were read.
    """
    app.transport = _Transport(app, examine, report)


def _note_outage(error: Exception, _: float) -> None:
    logger.warning("the offsets of the partitions cannot be read from Kafka: %r; retrying", error)


def dead_tasks(app: faust.App) -> list[str]:
    """Return the background tasks of aiokafka that have ended although they must not; may be called at any time."""
    consumer = created_consumer(app)
    return [] if consumer is None else consumer.thread.dead_tasks()
