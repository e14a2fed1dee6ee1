"""Notices when a worker silently stands still: Faust's consumers can stall for ever without an error.

From a thread of its own, with a client of its own, it asks Kafka how far the topic goes and compares that with what the
worker has acknowledged. Lag without an acknowledgement for too long means a stall: a metric, the stacks of all threads,
readiness off, and the end of the process, so that a supervisor starts it again. While Kafka itself does not answer, or
refuses the outputs, the worker is waiting rather than stalled.
"""

from __future__ import annotations

import faulthandler
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import NoReturn

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from streams import metrics
from streams.errors import Stalled, Unavailable
from streams.lossless import Progress, exit_now
from streams.reader import connect, end_offsets
from streams.settings import KafkaSettings

logger = logging.getLogger(__name__)

_PERIOD_SECONDS = 5.0

Place = tuple[str, int]


class StallDetector:
    """Decides from the ends of the partitions and the worker's progress; pure, the clock is passed in."""

    def __init__(self, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._acknowledged = -1
        self._since: float | None = None

    def standing(self, lag: int | None, acknowledged: int, now: float) -> float:
        """For how many seconds the worker has stood still in front of records; `lag` None: not known."""
        if not lag or acknowledged != self._acknowledged or self._since is None:
            self._acknowledged = acknowledged
            self._since = now
        return now - self._since

    def is_stalled(self, lag: int | None, acknowledged: int, now: float) -> bool:
        return self.standing(lag, acknowledged, now) > self._stall_seconds


class Watchdog:
    """Watches one worker's partitions of one topic."""

    def __init__(
        self,
        worker: str,
        group: str,
        kafka: KafkaSettings,
        stall_seconds: float,
        progress: Progress,
        assigned: Callable[[], set[Place]],
        waiting: Callable[[], bool],
        end: Callable[[int, str], NoReturn] = exit_now,
    ) -> None:
        """`waiting` says that an output is away, so that standing still is right."""
        self._worker = worker
        self._group = group
        self._kafka = kafka
        self._stall_seconds = stall_seconds
        self._detector = StallDetector(stall_seconds)
        self._progress = progress
        self._assigned = assigned
        self._waiting = waiting
        self._end = end
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self.stalled = False
        self.broker_answers = False

    def start(self) -> None:
        metrics.STALLED.labels(self._worker).set(0)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=1.0)

    def _watch(self) -> None:
        consumer: KafkaConsumer | None = None
        while not self._stopping.wait(_PERIOD_SECONDS if self.broker_answers else 1.0):
            try:
                consumer = consumer or connect(self._kafka, self._group)
                lag = self._measure(consumer)
            except (KafkaError, Unavailable, OSError, KeyError, ValueError) as error:
                # a bare KeyError comes from a segment that is being deleted
                logger.debug("the watchdog cannot see the topic: %r", error)
                consumer, lag = None, None
            self.broker_answers = lag is not None
            known = None if self._waiting() else lag
            if self._detector.is_stalled(known, self._progress.acknowledged, time.monotonic()):
                self._stall(lag or 0)
        if consumer is not None:
            consumer.close()

    def _measure(self, consumer: KafkaConsumer) -> int:
        assigned = {place: TopicPartition(*place) for place in self._assigned()}
        ends = end_offsets(consumer, list(assigned.values()))
        starts: Mapping[TopicPartition, int] = consumer.beginning_offsets(list(assigned.values()))
        total = 0
        for place, partition in assigned.items():
            # another worker may have gone on with the partition before it came (back) here
            done = max(self._progress.next_offsets.get(place, 0), consumer.committed(partition) or 0, starts[partition])
            behind = max(0, ends[partition] - done)
            metrics.LAG.labels(self._worker, place[0], str(place[1])).set(behind)
            total += behind
        return total

    def _stall(self, lag: int) -> None:
        self.stalled = True
        metrics.STALLED.labels(self._worker).set(1)
        faulthandler.dump_traceback(all_threads=True)
        reason = f"worker {self._worker}: {lag} records to read and none acknowledged for {self._stall_seconds:.0f} s"
        self._end(Stalled.exit_code, f"{reason}; the stacks of all threads stand above")
