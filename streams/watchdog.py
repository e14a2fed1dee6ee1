"""Notices when a worker silently stands still: Faust's consumers can stall for ever without an error.

From a thread of its own, with a client of its own, it asks Kafka how far the topic goes and what the worker's group has
committed. Lag without a commit for too long means a stall: a metric, the stacks of all threads, readiness off, and the end
of the process, so that a supervisor starts it again. While Kafka itself does not answer, or refuses the outputs, the
worker is waiting rather than stalled.
"""

from __future__ import annotations

import faulthandler
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, NoReturn

from kafka import KafkaConsumer, TopicPartition

from streams import metrics
from streams.errors import Stalled
from streams.lossless import Place, exit_now
from streams.reader import connect, end_offsets
from streams.settings import KafkaSettings

logger = logging.getLogger(__name__)

_PERIOD_SECONDS = 5.0
_FIRST_PERIOD_SECONDS = 1.0


class Standing(NamedTuple):
    """How far a worker is: what it still has to do, and a number that moves whenever it does something."""

    lag: int
    done: int


# to join the group is work that should get done
_JOINING = Standing(lag=1, done=-1)


class StallDetector:
    """Decides from how far the worker is; pure, the clock is passed in."""

    def __init__(self, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._done: int | None = None
        self._since = 0.0

    def is_stalled(self, standing: Standing | None, now: float) -> bool:
        """Whether there has been lag and no progress for too long; `standing` None: not known, or rightly waiting."""
        if standing is None or not standing.lag or standing.done != self._done:
            self._done = standing.done if standing and standing.lag else None
            self._since = now
        return now - self._since > self._stall_seconds


class Watchdog:
    """Watches one worker's partitions of the topics that it reads."""

    def __init__(
        self,
        workers: Mapping[str, str],
        group: str,
        kafka: KafkaSettings,
        stall_seconds: float,
        assigned: Callable[[], set[Place] | None],
        waiting: Callable[[], bool],
        handled: Callable[[], Mapping[Place, int]] = dict,
        describe: Callable[[], Sequence[str]] = tuple,
        end: Callable[[int, str], NoReturn] = exit_now,
    ) -> None:
        """`workers`: the worker's name in metrics by topic, the first one names it; `assigned`: None before it has joined
        its group; `waiting`: an output is away, standing still is right; `handled`: the offset up to which records were
        handled, where they are acknowledged only later; `describe`: what the worker does, for whoever looks into a stall."""
        self._workers = workers
        self._worker = next(iter(workers.values()))
        self._group = group
        self._kafka = kafka
        self._stall_seconds = stall_seconds
        self._detector = StallDetector(stall_seconds)
        self._assigned = assigned
        self._waiting = waiting
        self._handled = handled
        self._describe = describe
        self._end = end
        self._labelled: set[Place] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self.stalled = False
        self.broker_answers = False
        self.read_up: dict[Place, bool] = {}
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
            standing = None
            try:
                consumer = consumer or connect(self._kafka, self._group)
                assigned = self._assigned()
                standing = _JOINING if assigned is None else self._measure(consumer, assigned)
            except Exception as error:
                # whatever the client raises while the broker is away or a segment is being deleted: the watch goes on
                logger.debug("the watchdog cannot see the topic: %r", error)
                if consumer is not None:
                    consumer.close()
                    consumer = None
            self.broker_answers = standing is not None
            if standing is None:
                self.read_up = {}
            if self._detector.is_stalled(None if self._waiting() else standing, time.monotonic()):
                self._stall("could not join its consumer group" if standing is _JOINING else "has records to read")
        if consumer is not None:
            consumer.close()

    def _measure(self, consumer: KafkaConsumer, assigned: set[Place]) -> Standing:
        partitions = [TopicPartition(*place) for place in sorted(assigned)]
        ends = end_offsets(consumer, partitions)
        starts = consumer.beginning_offsets(partitions)
        handled = self._handled()
        total = Standing(0, 0)
        read_up = {}
        for at in partitions:
            done = max(consumer.committed(at) or 0, starts[at], handled.get(at, 0))
            lag = max(0, ends[at] - done)
            metrics.LAG.labels(self._workers[at.topic], at.topic, str(at.partition)).set(lag)
            total = Standing(total.lag + lag, total.done + done)
            read_up[at.topic, at.partition] = lag == 0
        for topic, partition in self._labelled - assigned:
            metrics.LAG.remove(self._workers[topic], topic, str(partition))
        self._labelled = assigned
        self.read_up = read_up
        return total

    def _stall(self, why: str) -> None:
        self.stalled = True
        metrics.STALLED.labels(self._worker).set(1)
        faulthandler.dump_traceback(all_threads=True)
        reason = f"worker {self._worker} {why}, but made no progress for {self._stall_seconds:.0f} s"
        try:
            for line in self._describe():
                logger.error("%s", line)
        finally:
            self._end(Stalled.exit_code, f"{reason}; the stacks of all threads and tasks stand above")
