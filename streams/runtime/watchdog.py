"""Notices when a worker silently stands still: Faust's consumers can stall for ever without an error.

From a thread of its own, with a client of its own, it asks Kafka how far each partition goes and what the worker's group
has committed of it. Lag of a partition without a commit for too long means a stall, whatever the other partitions do: a
metric, the stacks of all threads, readiness off, and the end of the process, so that a supervisor starts it again. While
Kafka itself does not answer, or refuses the outputs, the worker is waiting rather than stalled.
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
    """How far a partition is: what is still to be done, and a number that moves whenever something is done."""

    lag: int
    done: int


# to join the group is work that should get done
_JOINING = {("", 0): PartitionWork(lag=1, done=-1)}


class StallDetector:
    """Decides from how far each partition is; pure, the clock is passed in."""

    def __init__(self, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._since: dict[PartitionId, tuple[int, float]] = {}

    def stalled(self, standings: Mapping[PartitionId, PartitionWork] | None, now: float) -> list[PartitionId]:
        """Partitions with lag and no progress for too long; `standings` None: not known, or rightly waiting."""
        before, self._since = self._since, {}
        for place, standing in (standings or {}).items():
            if standing.lag:
                done, since = before.get(place, (standing.done, now))
                self._since[place] = (standing.done, since if done == standing.done else now)
        return [place for place, (_, since) in self._since.items() if now - since > self._stall_seconds]


class Watchdog:
    """Watches one worker's partitions of the topics that it reads."""

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
        """`workers`: the worker's name in metrics by topic, the first one names it; `assigned`: None before it has joined
        its group; `waiting`: an output is away, standing still is right; `handled`: the offset up to which records were
        handled, where they are acknowledged only later; `unassigned`: partitions that no worker of the group has;
        `describe`: what the worker does, for whoever looks into a stall."""
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
        """Whether nothing of a partition was left to be handled when it was last seen."""

    def start(self) -> None:
        metrics.STALLED.labels(self._worker).set(0)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=1.0)

    def _watch(self) -> None:
        consumer: KafkaConsumer | None = None
        while not self._stopping.wait(_PERIOD_SECONDS if self.broker_answers else _FIRST_PERIOD_SECONDS):
            standings, stalled = None, list[PartitionId]()
            try:
                consumer = consumer or connect(self._kafka, self._group)
                standings = self._measure(consumer, self._assigned())
                stalled = self._detector.stalled(None if self._waiting() else standings, time.monotonic())
                if stalled and standings is not _JOINING:
                    stalled = _readable(consumer, stalled, standings)
            except Exception as error:
                # whatever the client raises while the broker is away or a segment is being deleted: the watch goes on
                logger.debug("the watchdog cannot see the topic: %r", error)
                self._detector.stalled(None, time.monotonic())
                if consumer is not None:
                    with contextlib.suppress(Exception):
                        consumer.close()
                    consumer = None
            self.broker_answers = standings is not None
            if standings is None:
                self.read_up = {}
            elif stalled and standings is _JOINING:
                self._stall("could not join its consumer group")
            elif stalled:
                places = ", ".join(partition_name(*place) for place in sorted(stalled))
                self._stall(f"has records of {places} to read, but made no progress with them")
        if consumer is not None:
            consumer.close()

    def _measure(
        self, consumer: KafkaConsumer, assigned: set[PartitionId] | None
    ) -> Mapping[PartitionId, PartitionWork]:
        if not assigned:  # Kafka must be asked all the same, since to wait for it is no stall
            end_offsets(consumer, partitions_of(consumer, *self._workers))
        if assigned is None:
            return _JOINING
        nobodys = {place for place in self._unassigned() if place[0] in self._workers}
        metrics.UNASSIGNED.labels(self._worker).set(len(nobodys))
        watched = assigned | nobodys
        partitions = [TopicPartition(*place) for place in sorted(watched)]
        ends = end_offsets(consumer, partitions)
        starts = consumer.beginning_offsets(partitions)
        handled = self._handled()
        standings = {}
        for at in partitions:
            done = max(consumer.committed(at, timeout_ms=_TIMEOUT_MS) or 0, starts[at], handled.get(at, 0))
            lag = max(0, ends[at] - done)
            metrics.LAG.labels(self._workers[at.topic], at.topic, str(at.partition)).set(lag)
            standings[at.topic, at.partition] = PartitionWork(lag, done)
        for topic, partition in self._labelled - watched:
            metrics.LAG.remove(self._workers[topic], topic, str(partition))
        self._labelled = watched
        self.read_up = {place: not standings[place].lag for place in assigned}
        return standings

    def _stall(self, why: str) -> None:
        self.stalled = True
        metrics.STALLED.labels(self._worker).set(1)
        faulthandler.dump_traceback(all_threads=True)
        reason = f"worker {self._worker} {why} for {self._stall_seconds:.0f} s"
        try:
            for line in self._describe():
                logger.error("%s", line)
        finally:
            self._end(Stalled.exit_code, f"{reason}; the stacks of all threads and tasks stand above")


def _readable(
    consumer: KafkaConsumer, places: Sequence[PartitionId], standings: Mapping[PartitionId, PartitionWork]
) -> list[PartitionId]:
    """Those that hold a record to be read: what a transaction has not committed yet counts as lag, and may not be read."""
    ends = consumer.end_offsets([TopicPartition(*place) for place in places])
    return [(at.topic, at.partition) for at, end in ends.items() if end > standings[at.topic, at.partition].done]
