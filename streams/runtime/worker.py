"""Runs a worker process: Faust, the health server and the watchdog, from start-up to a clean shutdown."""

from __future__ import annotations

import asyncio
import functools
import logging
import signal
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from streams import metrics
from streams.contracts import Gap, encode, utc_now
from streams.errors import Refused, Stalled, TagpulseError, Unavailable
from streams.health import Health
from streams.kafka import connection, topics
from streams.kafka.publisher import Outgoing, Publisher, record_ms
from streams.retry.backoff import Backoff, retry, wait_for_event
from streams.runtime.faust_app import Subscription, build_app
from streams.runtime.faust_consumer import ReportExpired, dead_tasks
from streams.runtime.lossless import BatchPolicy, HoldingOutput, Lossless, Output, PartitionId, Record, exit_now
from streams.runtime.offset_gaps import Expired
from streams.runtime.task_stacks import task_stacks
from streams.runtime.watchdog import Watchdog
from streams.settings import LIVE, Settings

logger = logging.getLogger(__name__)

_DRAIN_SECONDS = 5.0
_STOP_SECONDS = 5.0
_GUARD_SECONDS = 1.0
_MAX_BACKOFF_SECONDS = 10.0


class Companion(Protocol):
    """A background job that runs beside a worker; its end does not end the worker."""

    async def run(self) -> None:
        """Run until closed or cancelled."""

    async def close(self) -> None:
        """Let `run` end within a few seconds."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker does: the topic it reads and how the records are processed.

    The consumer group is named after the worker.
    """

    worker: str
    topic: str
    process: Callable[[Sequence[Record]], Awaitable[Any]]
    output: Output[Any]
    policy: BatchPolicy
    publisher: Publisher
    is_waiting: Callable[[], bool]
    """Returns whether an output is unavailable."""
    beside: Sequence[Job] = ()
    """Further topics that the process reads with the same group; the worker names of these are only for metrics."""
    companions: Sequence[Companion] = ()


async def run(job: Job, settings: Settings, process_number: int = 0) -> None:
    """Process records until SIGTERM or Ctrl-C, then finish and commit what was read, and return."""
    worker = _Worker(job, settings)
    worker.health.start(process_number)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    if await _kafka_is_ready(settings, stopping):
        await worker.work(stopping)
        await worker.finish()
    else:
        logger.info("worker %s stopped on request before Kafka was ready", job.worker)
    worker.health.stop()


class _Worker:
    """The parts of a worker process. The watchdog and the health server ask it from threads of their own."""

    def __init__(self, job: Job, settings: Settings) -> None:
        self._job = job
        self._jobs = {each.topic: each for each in (job, *job.beside)}
        self._group = f"{settings.kafka.group_prefix}.{job.worker}"
        self._loop = asyncio.get_running_loop()
        self._started = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._pipelines: dict[str, Lossless[Any]] = {
            each.topic: Lossless(each.worker, each.process, each.output, each.policy, owned=self._owned)
            for each in self._jobs.values()
        }
        self._app = build_app(
            self._group,
            job.topic,
            self._pipelines[job.topic],
            job.policy,
            settings.kafka,
            _reporter(self._jobs, job.publisher, settings),
            [
                Subscription(topic=each.topic, lossless=self._pipelines[each.topic], policy=each.policy)
                for each in job.beside
            ],
        )
        self._watchdog = Watchdog(
            {each.topic: each.worker for each in self._jobs.values()},
            self._group,
            settings.kafka,
            # an output that is flushed rarely is acknowledged just as rarely
            settings.worker.stall_seconds + max(each.policy.flush_seconds for each in self._jobs.values()),
            self._assigned,
            job.is_waiting,
            self._handled,
            self._unassigned,
            self._describe,
        )
        self.health = Health(settings.metrics, job.worker, self._not_ready, settings.run)

    async def work(self, stopping: asyncio.Event) -> None:
        """Process records until a stop is requested."""
        coroutines = [_start(self._app, self._started), _guard(self._app), _adopt(self._app, self._started)]
        coroutines += [companion.run() for companion in self._job.companions]
        self._tasks = [asyncio.create_task(each) for each in coroutines]
        self._watchdog.start()
        logger.info("worker %s reads %s as group %s", self._job.worker, ", ".join(self._jobs), self._group)
        if (await self._app.wait(stopping)).stopped:
            exit_now(
                TagpulseError.exit_code,
                f"Faust crashed: {self._app.crash_reason!r}; uncommitted records are read again after a restart",
            )

    async def finish(self) -> None:
        """Finish and commit what was read, and leave the consumer group."""
        logger.info("worker %s is stopping", self._job.worker)
        _force_exit_later()
        await asyncio.gather(*(pipeline.drain(_DRAIN_SECONDS) for pipeline in self._pipelines.values()))
        await asyncio.gather(*(companion.close() for companion in self._job.companions))
        self._watchdog.stop()
        for task in self._tasks:
            task.cancel()
        await self._app.stop()
        await self._job.publisher.close()
        acknowledged = sum(pipeline.acknowledged for pipeline in self._pipelines.values())
        logger.info("worker %s stopped on request: %d records acknowledged", self._job.worker, acknowledged)

    def _assigned(self) -> set[PartitionId] | None:
        # called from other threads, but Faust's consumer must be created in its own thread
        if not self._started.is_set():
            return None
        return {(at.topic, at.partition) for at in self._app.consumer.assignment() if at.topic in self._jobs}

    def _unassigned(self) -> set[PartitionId]:
        if not self._started.is_set():
            return set()
        return {(at.topic, at.partition) for at in self._app.consumer.unassigned}

    def _owned(self) -> dict[PartitionId, bool]:
        """Return the assigned partitions, and whether each was read to its end."""
        return {partition: self._watchdog.read_up.get(partition, False) for partition in self._assigned() or ()}

    def _handled(self) -> dict[PartitionId, int]:
        """Return the offset up to which the outputs that hold acknowledgements back have handled each partition."""
        holding = (each.output for each in self._jobs.values() if isinstance(each.output, HoldingOutput))
        offsets = {partition: offset for output in holding for partition, offset in output.handled().items()}
        return {partition: self._app.consumer.beyond(partition, offset) for partition, offset in offsets.items()}

    def _describe(self) -> list[str]:
        lines = self._app.consumer.status_lines() if self._started.is_set() else ["Faust has not started"]
        return [*lines, *task_stacks(self._loop)]

    def _not_ready(self) -> str | None:
        if self._watchdog.stalled:
            return "stalled"
        if not self._watchdog.broker_answers:
            return "Kafka does not answer"
        if self._job.is_waiting():
            return "an output is unavailable"
        if self._assigned() is None:
            return "the worker has not joined its consumer group yet"
        unassigned = self._unassigned()
        return f"{len(unassigned)} partitions are assigned to no worker" if unassigned else None


async def _guard(app: Any) -> None:
    """End the process when a background task of the Kafka client ends, because the worker would stall silently."""
    while True:
        if dead := dead_tasks(app):
            exit_now(
                Stalled.exit_code,
                f"the Kafka client stopped working ({'; '.join(dead)}): restart the worker, nothing is lost",
            )
        await asyncio.sleep(_GUARD_SECONDS)


async def _adopt(app: Any, started: asyncio.Event) -> None:
    await started.wait()
    await app.consumer.adopt()


def _reporter(jobs: Mapping[str, Job], publisher: Publisher, settings: Settings) -> ReportExpired:
    """Return a function that reports records deleted before they were read.

    It writes to the log, the metrics and, for the live run, `feed.gaps`.
    """
    for topic, job in jobs.items():
        metrics.EXPIRED.labels(job.worker, topic)

    async def report(expired: Expired) -> None:
        worker, count = jobs[expired.topic].worker, expired.end - expired.start
        reason = f"{count} records were deleted by retention before worker {worker} had read them: {expired.location}"
        logger.error("%s", reason)
        metrics.EXPIRED.labels(worker, expired.topic).inc(count)
        if settings.run == LIVE:
            found_at = utc_now()
            gap = Gap(source="kafka", origin=expired.location, reason=reason, found_at=found_at)
            record = Outgoing(settings.topics.gaps, gap.key, encode(gap), record_ms(found_at))
            try:
                await publisher.publish([record])
            except Refused as error:
                logger.error("the gap could not be written to %s: %s", settings.topics.gaps, error)

    return report


def _force_exit_later() -> None:
    """Schedule the end of the process, in case a client, a disk or the model blocks its thread during the shutdown."""
    reason = "forced to stop, something did not respond in time: uncommitted records are read again after a restart"
    timer = threading.Timer(_DRAIN_SECONDS + _STOP_SECONDS, exit_now, (0, reason))
    timer.daemon = True
    timer.start()


async def _kafka_is_ready(settings: Settings, stopping: asyncio.Event) -> bool:
    """Wait for the broker and the topics; return False if a stop is requested meanwhile. Raises Refused."""

    async def is_ready() -> bool:
        if stopping.is_set():
            return False
        try:
            await connection.probe(settings.kafka)
            missing = await asyncio.to_thread(topics.missing, settings)
        except Unavailable:
            metrics.BROKER_AWAY.set(1)
            raise
        if missing:
            raise Unavailable(f"topics are missing: {', '.join(missing)}; run `tagpulse topics create`")
        metrics.BROKER_AWAY.set(0)
        return True

    def note(error: Exception, _: float) -> None:
        logger.warning("%s; waiting", error)

    backoff = Backoff(_MAX_BACKOFF_SECONDS)
    return await retry(is_ready, Unavailable, backoff, note, functools.partial(wait_for_event, stopping))


async def _start(app: Any, started: asyncio.Event) -> None:
    try:
        await app.start()
        started.set()
    except asyncio.CancelledError:
        raise
    except Exception as error:
        logger.exception("Faust did not start")
        exit_now(TagpulseError.exit_code, f"Faust did not start: {error!r}")
