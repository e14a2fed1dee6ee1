"""Detects workers that stall silently: Faust's consumers can stop making progress without an error.

The watchdog has its own thread and client. It asks Kafka for the end offset of each partition and for the offset
committed by the group of the worker. A partition with lag but no commit for too long is a stall, whatever the other
partitions do. The watchdog then sets a metric, logs the stacks of all threads, clears readiness and ends the process,
so that a supervisor restarts it. While Kafka does not answer or does not accept the outputs, the worker is waiting
rather than stalled.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, NoReturn

from kafka import KafkaConsumer, TopicPartition

from streams import metrics
from streams.contracts import partition_name
from streams.errors import Stalled
from streams.kafka.reader import connect, end_offsets, partitions_of
from streams.runtime.lossless import PartitionId, exit_now
from streams.settings import KafkaSettings

logger = logging.getLogger(__name__)

_PERIOD_SECONDS = 5.0
_FIRST_PERIOD_SECONDS = 1.0
_TIMEOUT_MS = 10_000


class PartitionWork(NamedTuple):
    """The state of a partition: records still to be handled, and a number that changes with any progress."""

    lag: int
    done: int


# joining the group counts as work, so that never joining is a stall
_JOINING = {("", 0): PartitionWork(lag=1, done=-1)}


class StallDetector:
    """Finds stalled partitions from the state of each; it does no I/O, and the time is passed in."""

    def __init__(self, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._since: dict[PartitionId, tuple[int, float]] = {}

    def stalled(self, work: Mapping[PartitionId, PartitionWork] | None, now: float) -> list[PartitionId]:
        """Return the partitions with lag but no progress for too long.

        Args:
            work: The state of each partition; None if it is unknown or the worker is rightly waiting.
            now: Current time in seconds, from a monotonic clock.
        """
        before, self._since = self._since, {}
        for partition, current in (work or {}).items():
            if current.lag:
                done, since = before.get(partition, (current.done, now))
                self._since[partition] = (current.done, since if done == current.done else now)
        return [partition for partition, (_, since) in self._since.items() if now - since > self._stall_seconds]


class Watchdog:
    """Watches the partitions that a worker reads."""

    def __init__(
        self,
        workers: Mapping[str, str],
        group: str,
        kafka: KafkaSettings,
        stall_seconds: float,
        assigned: Callable[[], set[PartitionId] | None],
        waiting: Callable[[], bool],
        handled: Callable[[], Mapping[PartitionId, int]] = dict,
        unassigned: Callable[[], Collection[PartitionId]] = frozenset,
        describe: Callable[[], Sequence[str]] = tuple,
        end: Callable[[int, str], NoReturn] = exit_now,
    ) -> None:
        """Set up the watchdog; all callables are called from its thread.

        Args:
            workers: Name of the worker in metrics, by topic; the first one names the worker itself.
            group: Consumer group of the worker.
            kafka: How to connect.
            stall_seconds: How long a partition may have lag without progress.
            assigned: Returns the partitions of the worker, or None before it has joined its group.
            waiting: Returns whether an output is unavailable, so that no progress is expected.
            handled: Returns the offsets up to which records are handled, for outputs that acknowledge them only later.
            unassigned: Returns the partitions that no worker of the group owns.
            describe: Returns lines about the state of the worker, to diagnose a stall.
            end: Ends the process with an exit code and a reason.
        """
        self._workers = workers
        self._worker = next(iter(workers.values()))
        self._group = group
        self._kafka = kafka
        self._stall_seconds = stall_seconds
        self._detector = StallDetector(stall_seconds)
        self._assigned = assigned
        self._waiting = waiting
        self._handled = handled
        self._unassigned = unassigned
        self._describe = describe
        self._end = end
        self._labelled: set[PartitionId] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self.stalled = False
        self.broker_answers = False
        self.read_up: dict[PartitionId, bool] = {}
        """Whether everything in a partition was handled at the last check."""

    def start(self) -> None:
        metrics.STALLED.labels(self._worker).set(0)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=1.0)

    def _watch(self) -> None:
        consumer: KafkaConsumer | None = None
        while not self._stopping.wait(_PERIOD_SECONDS if self.broker_answers else _FIRST_PERIOD_SECONDS):
            work, stalled = None, list[PartitionId]()
            try:
                consumer = consumer or connect(self._kafka, self._group)
                work = self._measure(consumer, self._assigned())
                stalled = self._detector.stalled(None if self._waiting() else work, time.monotonic())
                if stalled and work is not _JOINING:
                    stalled = _readable(consumer, stalled, work)
            except Exception as error:
                # whatever the client raises while the broker is away or a segment is being deleted: keep watching
                logger.debug("the watchdog cannot read the state of the topics: %r", error)
                self._detector.stalled(None, time.monotonic())
                if consumer is not None:
                    with contextlib.suppress(Exception):
                        consumer.close()
                    consumer = None
            self.broker_answers = work is not None
            if work is None:
                self.read_up = {}
            elif stalled and work is _JOINING:
                self._stall("could not join its consumer group")
            elif stalled:
                partitions = ", ".join(partition_name(*partition) for partition in sorted(stalled))
                self._stall(f"has records of {partitions} to read, but made no progress with them")
        if consumer is not None:
            consumer.close()

    def _measure(
        self, consumer: KafkaConsumer, assigned: set[PartitionId] | None
    ) -> Mapping[PartitionId, PartitionWork]:
        if not assigned:  # Kafka must be asked anyway, because waiting for it is not a stall
            end_offsets(consumer, partitions_of(consumer, *self._workers))
        if assigned is None:
            return _JOINING
        unassigned = {(topic, partition) for topic, partition in self._unassigned() if topic in self._workers}
        metrics.UNASSIGNED.labels(self._worker).set(len(unassigned))
        watched = assigned | unassigned
        partitions = [TopicPartition(*partition) for partition in sorted(watched)]
        ends = end_offsets(consumer, partitions)
        starts = consumer.beginning_offsets(partitions)
        handled = self._handled()
        work = {}
        for at in partitions:
            done = max(consumer.committed(at, timeout_ms=_TIMEOUT_MS) or 0, starts[at], handled.get(at, 0))
            lag = max(0, ends[at] - done)
            metrics.LAG.labels(self._workers[at.topic], at.topic, str(at.partition)).set(lag)
            work[at.topic, at.partition] = PartitionWork(lag, done)
        for topic, partition in self._labelled - watched:
            metrics.LAG.remove(self._workers[topic], topic, str(partition))
        self._labelled = watched
        self.read_up = {partition: not work[partition].lag for partition in assigned}
        return work

    def _stall(self, why: str) -> None:
        self.stalled = True
        metrics.STALLED.labels(self._worker).set(1)
        faulthandler.dump_traceback(all_threads=True)
        reason = f"worker {self._worker} {why} for {self._stall_seconds:.0f} s"
        try:
            for line in self._describe():
                logger.error("%s", line)
        finally:
            self._end(Stalled.exit_code, f"{reason}; see the stacks of all threads and tasks above")


def _readable(
    consumer: KafkaConsumer, partitions: Sequence[PartitionId], work: Mapping[PartitionId, PartitionWork]
) -> list[PartitionId]:
    """Return the partitions with readable records; those of an open transaction count as lag but cannot be read yet."""
    ends = consumer.end_offsets([TopicPartition(*partition) for partition in partitions])
    return [(at.topic, at.partition) for at, end in ends.items() if end > work[at.topic, at.partition].done]
