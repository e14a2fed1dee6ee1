"""A round: the faults of a plan come to a running pipeline, and then every post is looked for."""

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
_MOST_TOLD = 100

Ids = Counter[str]


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the faults of a round are brought to, besides the processes; None where no fault of the plan needs it."""

    broker: Broker
    line: Line | None = None
    disk: SmallDisk | None = None
    clock: SteppedClock | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a round left: the ids that each sink shows, and what lies on the topics."""

    posts: int
    shown: Mapping[str, Ids]
    twice: int
    """Records on `posts.enriched` beyond the first of their post."""
    dead: int
    stood_still: float
    """Seconds that a partition made no progress at most, with records to read, while others moved."""

    @property
    def missing(self) -> set[str]:
        """The ids that one of the sinks does not show."""
        sent = {str(number) for number in range(self.posts)}
        return {post for ids in self.shown.values() for post in sent - ids.keys()}

    @property
    def shown_twice(self) -> dict[str, list[str]]:
        """By sink."""
        twice = {sink: [post for post, times in ids.items() if times > 1] for sink, ids in self.shown.items()}
        return {sink: posts for sink, posts in twice.items() if posts}


class Round:
    """`Round(plan, running, surroundings).play()`; what failed is told by `report`."""

    def __init__(self, plan: Plan, running: Pipeline, surroundings: Surroundings) -> None:
        self._plan = plan
        self._running = running
        self._around = surroundings
        self._settings = running.settings
        prefix = self._settings.kafka.group_prefix
        self._reads = {f"{prefix}.{worker}": topic for worker, topic in running.reads.items()}
        self._progress = Progress(self._settings.kafka, self._reads)
        self._pool = ThreadPoolExecutor(1)
        self._growing: Future[None] | None = None
        self._began = time.monotonic()
        self._told: list[str] = []
        self.found: Found | None = None
        """None before all posts were looked for."""

    def play(self) -> Found:
        """Feed, bring the faults, wait until everything is read, end all processes and count.

        Raises AssertionError when a partition stands still, a process fails for good or not everything is read in time.
        """
        with ExitStack() as stack:
            stack.enter_context(self._progress)
            stack.callback(self._pool.shutdown)
            stack.callback(self._mend)
            self._running.feed(self._plan.posts, endless=False)
            self._tell("fed")
            share = self._plan.first * self._plan.posts
            self._wait(lambda: self._progress.sent(next(iter(self._reads))) >= share, "the first fault is due")
            self._bring_all()
            self._wait(lambda: self._running.produce is None, "everything is sent")
            self._tell("everything is sent")
            if self._growing is not None:
                self._growing.result(SETTLE_SECONDS)
            self._wait(lambda: self._running.all_run, "every process runs again")
            since = time.monotonic()
            self._wait(lambda: self._progress.is_read(since), "everything is read")
            self._tell("everything is read")
            self._running.end()
        self.found = self._count()
        return self.found

    def _bring_all(self) -> None:
        began = time.monotonic()
        due: list[tuple[float, Callable[[], None]]] = []

        def bring(fault: Fault) -> None:
            mend = self._bring(fault)
            if mend is not None:
                due.append((time.monotonic() + fault.seconds, partial(self._end, fault, mend)))

        due += [(began + fault.after, partial(bring, fault)) for fault in self._plan.faults]
        while due:
            first = min(due, key=lambda each: each[0])
            due.remove(first)
            at, act = first
            self._wait(lambda at=at: time.monotonic() >= at, "the next moment")  # type: ignore[misc]
            act()

    def _bring(self, fault: Fault) -> Callable[[], object] | None:
        """Returns what ends it, where it does not end by itself."""
        self._tell(str(fault))
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
                self._around.broker.suspend()
                return self._around.broker.resume
            case "clock" if self._around.clock:
                self._around.clock.step(fault.step)
                return partial(self._around.clock.step, 0)
            case "disk" if self._around.disk:
                self._around.disk.fill()
                return self._around.disk.free
            case "slow" if self._around.line:
                self._around.line.slow(fault.bytes_per_second, fault.delay)
                return self._around.line.restore
        return None

    def _end(self, fault: Fault, mend: Callable[[], object]) -> None:
        self._tell(f"end of {fault.kind} {fault.target}")
        mend()

    def _grow(self) -> None:
        partitions = self._settings.topics.model_copy(update={"partitions": self._plan.partitions[1]})
        wanted = self._settings.model_copy(update={"topics": partitions})
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            try:
                self._tell(f"grown: {topics.grow(wanted)}")
                return
            except Unavailable:  # a frozen broker
                if time.monotonic() > deadline:
                    raise

    def _mend(self) -> None:
        """Also after a failure: the broker is that of the next round, too."""
        if self._around.broker.running:
            self._around.broker.resume()
        if self._around.line:
            self._around.line.restore()

    def _wait(self, condition: Callable[[], object], what: str) -> None:
        def met() -> object:
            still = self._progress.standstills
            assert still.longest < STANDSTILL_SECONDS, (
                f"{still.where} made no progress for {still.longest:.0f} s while others moved"
            )
            return condition()

        self._running.wait(met, SETTLE_SECONDS, what, _POLL_SECONDS)

    def _tell(self, what: str) -> None:
        self._told.append(f"{time.monotonic() - self._began:6.2f} s: {what}")

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
        """The plan, when it came about, the missing posts with where they lie, and the end of each log."""
        offsets = [f"{reader}: {at}" for reader, at in sorted(self._progress.offsets.items())]
        lines = [str(self._plan), *self._told, *offsets]
        if self.found is not None:
            for sink, ids in self.found.shown.items():
                lines.append(f"{sink} shows {len(ids)} of {self.found.posts} posts")
            if self.found.missing:
                lines += _whereabouts(self._settings, self.found.missing)
        return "\n".join([*lines, *map(_logs, self._running.parts)])


def delete_topics(settings: Settings) -> None:
    """Those of a round that is over, so that the broker does not fill up."""
    admin = KafkaAdminClient(**connection.kafka_python(settings.kafka))
    try:
        admin.delete_topics(list(settings.topics.names.values()))
    finally:
        admin.close()


def _whereabouts(settings: Settings, missing: set[str]) -> Iterator[str]:
    """Where the records of missing posts lie on the topics, in the order of `posts.raw`."""
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

    told = sorted(missing, key=lambda post: places[settings.topics.raw].get(post, (-1, -1)))
    yield from (f"missing {post}: {where(post)}" for post in told[:_MOST_TOLD])
    if len(told) > _MOST_TOLD:
        yield f"… and {len(told) - _MOST_TOLD} more"


def _logs(part: Part) -> str:
    return "\n".join(f"--- {part.name}, start {n}:\n{log[-_LOG_CHARACTERS:]}" for n, log in enumerate(part.logs, 1))
