"""Runs one worker process: Faust, its health server and its watchdog, from the start to a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from streams import metrics
from streams.backoff import Backoff
from streams.contracts import Gap, encode, utc_now
from streams.errors import Refused, Stalled, TagpulseError, Unavailable
from streams.health import Health
from streams.kafka import connection, topics
from streams.kafka.publisher import Outgoing, Publisher, record_ms
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
    """Something that runs beside a worker, and never ends it."""

    async def run(self) -> None:
        """Until it is closed or cancelled."""

    async def close(self) -> None:
        """Lets `run` end, within a few seconds."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker does: which topic it reads, and what becomes of the records. Its name is that of its group, too."""

    worker: str
    topic: str
    process: Callable[[Sequence[Record]], Awaitable[Any]]
    output: Output[Any]
    pace: BatchPolicy
    publisher: Publisher
    is_waiting: Callable[[], bool]
    """Says that an output is away."""
    beside: Sequence[Job] = ()
    """Further topics that the same process reads as the same group; the names of these are for metrics alone."""
    companions: Sequence[Companion] = ()


async def run(job: Job, settings: Settings, process_number: int = 0) -> None:
    """Works until SIGTERM or Ctrl-C, then finishes what was read, commits, and returns."""
    group = f"{settings.kafka.group_prefix}.{job.worker}"
    jobs = {each.topic: each for each in (job, *job.beside)}
    recipes: dict[str, Lossless[Any]] = {
        each.topic: Lossless(each.worker, each.process, each.output, each.pace, owned=lambda: owned())
        for each in jobs.values()
    }
    beside = [Subscription(topic=each.topic, lossless=recipes[each.topic], pace=each.pace) for each in job.beside]
    report = _reporter(jobs, job.publisher, settings)
    app = build_app(group, job.topic, recipes[job.topic], job.pace, settings.kafka, report, beside)

    started = asyncio.Event()

    def assigned() -> set[PartitionId] | None:
        # asked from other threads: Faust's consumer must have been made by its own
        if not started.is_set():
            return None
        return {(place.topic, place.partition) for place in app.consumer.assignment() if place.topic in jobs}

    def owned() -> dict[PartitionId, bool]:
        return {place: watchdog.read_up.get(place, False) for place in assigned() or ()}

    def handled() -> dict[PartitionId, int]:
        holding = (each.output for each in jobs.values() if isinstance(each.output, HoldingOutput))
        offsets = {place: offset for output in holding for place, offset in output.handled().items()}
        return {place: app.consumer.beyond(place, offset) for place, offset in offsets.items()}

    def unassigned() -> set[PartitionId]:
        return {(at.topic, at.partition) for at in app.consumer.unassigned} if started.is_set() else set()

    loop = asyncio.get_running_loop()

    def describe() -> list[str]:
        return [*(app.consumer.standing() if started.is_set() else ["Faust has not started"]), *task_stacks(loop)]

    watchdog = Watchdog(
        {each.topic: each.worker for each in jobs.values()},
        group,
        settings.kafka,
        # an output that is flushed rarely is acknowledged as rarely
        settings.worker.stall_seconds + max(each.pace.flush_seconds for each in jobs.values()),
        assigned,
        job.is_waiting,
        handled,
        unassigned,
        describe,
    )

    def not_ready() -> str | None:
        if watchdog.stalled:
            return "stalled"
        if not watchdog.broker_answers:
            return "Kafka does not answer"
        if job.is_waiting():
            return "an output is away"
        if assigned() is None:
            return "it has not joined its consumer group yet"
        return f"{len(unassigned())} partitions are assigned to no worker" if unassigned() else None

    health = Health(settings.metrics, job.worker, not_ready, settings.run)
    health.start(process_number)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    if not await _kafka_is_ready(settings, stopping):
        health.stop()
        logger.info("worker %s was told to stop before Kafka was ready", job.worker)
        return
    starting = asyncio.create_task(_start(app, started))
    company = [asyncio.create_task(companion.run()) for companion in job.companions]
    company += [asyncio.create_task(_guard(app)), asyncio.create_task(_adopt(app, started))]
    watchdog.start()
    logger.info("worker %s reads %s as group %s", job.worker, ", ".join(jobs), group)
    if (await app.wait(stopping)).stopped:
        exit_now(TagpulseError.exit_code, f"Faust crashed: {app.crash_reason!r}; what was not committed is read again")
    logger.info("worker %s stops", job.worker)
    _end_at_last()
    await asyncio.gather(*(recipe.drain(_DRAIN_SECONDS) for recipe in recipes.values()))
    await asyncio.gather(*(companion.close() for companion in job.companions))
    watchdog.stop()
    for task in (starting, *company):
        task.cancel()
    await app.stop()
    await job.publisher.close()
    health.stop()
    acknowledged = sum(recipe.acknowledged for recipe in recipes.values())
    logger.info("worker %s was told to stop and ended: %d records acknowledged", job.worker, acknowledged)


async def _guard(app: Any) -> None:
    """End the process when a background task of Kafka's client has ended, because the worker would stall silently."""
    while True:
        if dead := dead_tasks(app):
            exit_now(
                Stalled.exit_code,
                f"Kafka's client stopped working ({'; '.join(dead)}): restart the worker, nothing is lost",
            )
        await asyncio.sleep(_GUARD_SECONDS)


async def _adopt(app: Any, started: asyncio.Event) -> None:
    await started.wait()
    await app.consumer.adopt()


def _reporter(jobs: Mapping[str, Job], publisher: Publisher, settings: Settings) -> ReportExpired:
    """Tells the log, the metrics and, on the live day, `feed.gaps` of records that were deleted before they were read."""
    for topic, job in jobs.items():
        metrics.EXPIRED.labels(job.worker, topic)

    async def report(gone: Expired) -> None:
        worker, count = jobs[gone.topic].worker, gone.end - gone.start
        reason = f"{count} records were deleted by retention before worker {worker} had read them: {gone.location}"
        logger.error("%s", reason)
        metrics.EXPIRED.labels(worker, gone.topic).inc(count)
        if settings.run == LIVE:
            found_at = utc_now()
            gap = Gap(source="kafka", origin=gone.location, reason=reason, found_at=found_at)
            record = Outgoing(settings.topics.gaps, gap.key, encode(gap), record_ms(found_at))
            try:
                await publisher.publish([record])
            except Refused as error:
                logger.error("this gap could not be written to %s: %s", settings.topics.gaps, error)

    return report


def _end_at_last() -> None:
    """Ends the process, as it was asked to, even if a client, a disk or the model never lets go of its thread."""
    reason = "the stop was cut short, something did not answer: what was not committed is read again at the next start"
    timer = threading.Timer(_DRAIN_SECONDS + _STOP_SECONDS, exit_now, (0, reason))
    timer.daemon = True
    timer.start()


async def _kafka_is_ready(settings: Settings, stopping: asyncio.Event) -> bool:
    """Waits for the broker and the topics; False when it was told to stop meanwhile. Raises Refused."""
    backoff = Backoff(_MAX_BACKOFF_SECONDS)
    while not stopping.is_set():
        try:
            await connection.probe(settings.kafka)
            missing = await asyncio.to_thread(topics.missing, settings)
            if not missing:
                metrics.BROKER_AWAY.set(0)
                return True
            logger.warning("no topic %s: run `tagpulse topics create`; waiting", ", ".join(missing))
        except Unavailable as error:
            metrics.BROKER_AWAY.set(1)
            logger.warning("%s; waiting", error)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), backoff.next())
    return False


async def _start(app: Any, started: asyncio.Event) -> None:
    try:
        await app.start()
        started.set()
    except asyncio.CancelledError:
        raise
    except Exception as error:
        logger.exception("Faust did not start")
        exit_now(TagpulseError.exit_code, f"Faust did not start: {error!r}")
