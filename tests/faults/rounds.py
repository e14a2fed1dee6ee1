"""A round: a running pipeline suffers the faults of a plan, and then every post is looked up."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import psycopg
from kafka import KafkaAdminClient

from streams.contracts import record_location
from streams.errors import Unavailable
from streams.kafka import connection, topics
from streams.processes.broker import Broker
from streams.settings import Settings
from streams.sinks.lake.query import ask
from tests.faults.plans import Fault, Plan
from tests.helpers.clocks import SteppedClock
from tests.helpers.disks import SmallDisk
from tests.helpers.line import Line
from tests.helpers.parts import Part
from tests.helpers.pipeline import Pipeline
from tests.helpers.progress import Progress
from tests.helpers.records import count, read_all

SETTLE_SECONDS = 240.0
STANDSTILL_SECONDS = 60.0
_POLL_SECONDS = 0.05
_LOG_CHARACTERS = 8_000
_MAX_REPORTED = 100

Ids = Counter[str]


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the faults of a round affect besides the processes; None where no fault of the plan needs it."""

    broker: Broker
    line: Line | None = None
    disk: SmallDisk | None = None
    clock: SteppedClock | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """The result of a round: the ids that each sink shows, and counts of what is on the topics."""

    posts: int
    shown: Mapping[str, Ids]
    twice: int
    """Records on `posts.enriched` beyond the first of their post."""
    dead: int
    stood_still: float
    """Longest time in seconds that a partition with unread records made no progress while others did."""

    @property
    def missing(self) -> set[str]:
        """The ids that at least one of the sinks does not show."""
        sent = {str(number) for number in range(self.posts)}
        return {post for ids in self.shown.values() for post in sent - ids.keys()}

    @property
    def shown_twice(self) -> dict[str, list[str]]:
        """The ids that a sink shows more than once, by sink."""
        twice = {sink: [post for post, times in ids.items() if times > 1] for sink, ids in self.shown.items()}
        return {sink: posts for sink, posts in twice.items() if posts}


class Round:
    """`Round(plan, running, surroundings).play()`; after a failure, `report` returns the details."""

    def __init__(self, plan: Plan, running: Pipeline, surroundings: Surroundings) -> None:
        self._plan = plan
        self._running = running
        self._surroundings = surroundings
        self._settings = running.settings
        prefix = self._settings.kafka.group_prefix
        self._reads = {f"{prefix}.{worker}": topic for worker, topic in running.reads.items()}
        self._progress = Progress(self._settings.kafka, self._reads)
        self._pool = ThreadPoolExecutor(1)
        self._growing: Future[None] | None = None
        self._began = time.monotonic()
        self._events: list[str] = []
        self.found: Found | None = None
        """None until all posts have been looked up."""

    def play(self) -> Found:
        """Feed, inject the faults, wait until everything is read, end all processes and count.

        Raises:
            AssertionError: A partition stood still, a process failed permanently, or not everything was read in time.
        """
        with ExitStack() as stack:
            stack.enter_context(self._progress)
            stack.callback(self._pool.shutdown)
            stack.callback(self._restore)
            self._running.feed(self._plan.posts, endless=False)
            self._note("fed")
            share = self._plan.first * self._plan.posts
            self._wait(lambda: self._progress.sent(next(iter(self._reads))) >= share, "the first fault is due")
            self._inject_all()
            self._wait(lambda: self._running.produce is None, "everything is sent")
            self._note("everything is sent")
            if self._growing is not None:
                self._growing.result(SETTLE_SECONDS)
            self._wait(lambda: self._running.all_run, "every process runs again")
            since = time.monotonic()
            self._wait(lambda: self._progress.is_read(since), "everything is read")
            self._note("everything is read")
            self._running.end()
        self.found = self._count()
        return self.found

    def _inject_all(self) -> None:
        began = time.monotonic()
        due: list[tuple[float, Callable[[], None]]] = []

        def inject(fault: Fault) -> None:
            end = self._inject(fault)
            if end is not None:
                due.append((time.monotonic() + fault.seconds, partial(self._end, fault, end)))

        due += [(began + fault.after, partial(inject, fault)) for fault in self._plan.faults]
        while due:
            first = min(due, key=lambda each: each[0])
            due.remove(first)
            at, act = first
            self._wait(lambda at=at: time.monotonic() >= at, "the next moment")  # type: ignore[misc]
            act()

    def _inject(self, fault: Fault) -> Callable[[], object] | None:
        """Start a fault, and return a function that ends it, unless it ends by itself."""
        self._note(str(fault))
        part = next((part for part in self._running.parts if part.name == fault.target), None)
        match fault.kind:
            case "grow":
                self._growing = self._pool.submit(self._grow)
            case "join":
                self._running.join(fault.target)
            case "leave" if part:
                self._running.leave(part, fault.seconds)
            case "restart" | "kill" if part:
                self._running.kill(part, fault.seconds)
            case "freeze" if part:
                part.process.send_signal(signal.SIGSTOP)
                return partial(part.process.send_signal, signal.SIGCONT)
            case "freeze":
                self._surroundings.broker.suspend()
                return self._surroundings.broker.resume
            case "clock" if self._surroundings.clock:
                self._surroundings.clock.step(fault.step)
                return partial(self._surroundings.clock.step, 0)
            case "disk" if self._surroundings.disk:
                self._surroundings.disk.fill()
                return self._surroundings.disk.free
            case "slow" if self._surroundings.line:
                self._surroundings.line.slow(fault.bytes_per_second, fault.delay)
                return self._surroundings.line.restore
        return None

    def _end(self, fault: Fault, end: Callable[[], object]) -> None:
        self._note(f"end of {fault.kind} {fault.target}")
        end()

    def _grow(self) -> None:
        partitions = self._settings.topics.model_copy(update={"partitions": self._plan.partitions[1]})
        wanted = self._settings.model_copy(update={"topics": partitions})
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            try:
                self._note(f"grown: {topics.grow(wanted)}")
                return
            except Unavailable:  # a frozen broker
                if time.monotonic() > deadline:
                    raise

    def _restore(self) -> None:
        """Restore the broker and the line, even after a failure: the next round uses them, too."""
        if self._surroundings.broker.running:
            self._surroundings.broker.resume()
        if self._surroundings.line:
            self._surroundings.line.restore()

    def _wait(self, condition: Callable[[], object], what: str) -> None:
        def met() -> object:
            still = self._progress.standstills
            assert still.longest < STANDSTILL_SECONDS, (
                f"{still.where} made no progress for {still.longest:.0f} s while others moved"
            )
            return condition()

        self._running.wait(met, SETTLE_SECONDS, what, _POLL_SECONDS)

    def _note(self, what: str) -> None:
        self._events.append(f"{time.monotonic() - self._began:6.2f} s: {what}")

    def _count(self) -> Found:
        settings = self._settings
        shown = {"parquet": Ids(post for (post,) in ask(settings.lake.path, "select id from posts").rows)}
        if settings.postgres.dsn is not None:
            with psycopg.connect(settings.postgres.dsn.get_secret_value()) as database:
                shown["postgres"] = Ids(post for (post,) in database.execute("select id from posts").fetchall())
        enriched = Ids(record.key.decode() for record in read_all(settings.kafka, settings.topics.enriched))
        return Found(
            posts=self._running.sent,
            shown=shown,
            twice=sum(enriched.values()) - len(enriched),
            dead=count(settings.kafka, settings.topics.dead),
            stood_still=self._progress.standstills.longest,
        )

    def report(self) -> str:
        """Return the plan, the events with their times, the locations of missing posts, and the end of each log."""
        offsets = [f"{reader}: {at}" for reader, at in sorted(self._progress.offsets.items())]
        lines = [str(self._plan), *self._events, *offsets]
        if self.found is not None:
            for sink, ids in self.found.shown.items():
                lines.append(f"{sink} shows {len(ids)} of {self.found.posts} posts")
            if self.found.missing:
                lines += _whereabouts(self._settings, self.found.missing)
        return "\n".join([*lines, *map(_logs, self._running.parts)])


def delete_topics(settings: Settings) -> None:
    """Delete the topics of a finished round, so that the broker does not fill up."""
    admin = KafkaAdminClient(**connection.kafka_python(settings.kafka))
    try:
        admin.delete_topics(list(settings.topics.names.values()))
    finally:
        admin.close()


def _whereabouts(settings: Settings, missing: set[str]) -> Iterator[str]:
    """Yield the locations of the records of missing posts, in the order of `posts.raw`."""
    places: dict[str, dict[str, tuple[int, int]]] = {}
    names = (settings.topics.raw, settings.topics.enriched)
    for topic in names:
        records = read_all(settings.kafka, topic)
        places[topic] = {
            record.key.decode().rpartition(":")[2]: (record.partition, record.offset) for record in records
        }

    def where(post: str) -> str:
        found = ((topic, places[topic].get(post)) for topic in names)
        return ", ".join(record_location(topic, *at) if at else f"not on {topic}" for topic, at in found)

    in_order = sorted(missing, key=lambda post: places[settings.topics.raw].get(post, (-1, -1)))
    yield from (f"missing {post}: {where(post)}" for post in in_order[:_MAX_REPORTED])
    if len(in_order) > _MAX_REPORTED:
        yield f"… and {len(in_order) - _MAX_REPORTED} more"


def _logs(part: Part) -> str:
    return "\n".join(f"--- {part.name}, start {n}:\n{log[-_LOG_CHARACTERS:]}" for n, log in enumerate(part.logs, 1))
