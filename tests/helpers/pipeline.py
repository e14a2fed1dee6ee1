"""The whole pipeline as processes that a test may kill, and the account of what became of its posts."""

from __future__ import annotations

import contextlib
import functools
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from kafka.errors import KafkaError

from streams.processes.process import PERMANENT
from streams.settings import Settings
from streams.sinks.lake.query import ask
from tests.helpers.lake import lake_rows
from tests.helpers.parts import Ending, Part
from tests.helpers.posts import outcome, raw_posts
from tests.helpers.processes import Tagpulse
from tests.helpers.records import committed, count, end_offsets

T = TypeVar("T")

# small batches and frequent commits, so that a kill often comes between two steps
SMALL_STEPS: dict[str, dict[str, Any]] = {
    "model": {"backend": "constant"},
    "produce": {"cursor_seconds": 0.5},
    "enrich": {"batch_size": 64, "max_wait_seconds": 0.05},
    "lake": {"batch_size": 200, "flush_rows": 400, "flush_seconds": 0.5},
    "postgres": {"batch_size": 200, "flush_rows": 400, "flush_seconds": 0.5},
}

_EVENT_POSTS_PER_SECOND = 4  # of `raw_posts`
_POLL_SECONDS = 0.2
_SETTLE_POLL_SECONDS = 1.0  # each poll creates new clients
_MORE_SECONDS = 10.0
_RESTART_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of the posts that were sent."""

    posts: int
    lost: int
    twice: int
    """Records on `posts.enriched` beyond the first of their post."""
    shown_twice: int
    """Posts that the lake shows more than once."""
    rows_twice: int
    """Records that the files of the lake contain more than once."""
    dead: int

    def __sub__(self, before: Verdict) -> Verdict:
        """Return what was added since `before`."""
        return Verdict(
            posts=self.posts - before.posts,
            lost=self.lost - before.lost,
            twice=self.twice - before.twice,
            shown_twice=self.shown_twice - before.shown_twice,
            rows_twice=self.rows_twice - before.rows_twice,
            dead=self.dead - before.dead,
        )


NOTHING = Verdict(posts=0, lost=0, twice=0, shown_twice=0, rows_twice=0, dead=0)


class Pipeline:
    """`tagpulse produce`, two `worker enrich` and one or more `worker store` for each sink.

    A process that ends by itself is restarted, as a supervisor would do; a permanent failure fails the test.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        *,
        rate: float,
        stores: int = 1,
        sinks: Sequence[str] = ("parquet",),
        static: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start the workers.

        Args:
            rate: Posts per second that the producer plays.
            static: Whether workers are static members of their groups.
            env: Variables of the processes besides the settings.
        """
        self.settings = settings
        self.rate = rate
        self.endings: list[Ending] = []
        self.sent = 0
        self._more = 0
        self._folder = folder
        self._sinks = sinks
        self._static = static
        self._env = dict(env or {})
        self.enrich: list[Part] = []
        self.store: list[Part] = []
        self.produce: Part | None = None
        self._down: dict[str, float] = {}
        self._leaving: dict[str, float] = {}
        for _ in range(2):
            self.join("enrich")
        for sink in sinks:
            for _ in range(stores):
                self.join(f"store-{sink}")

    def join(self, worker: str) -> Part:
        """Start one more `enrich` or `store-SINK` worker."""
        role, _, sink = worker.partition("-")
        siblings = self.store if sink else self.enrich
        number = sum(part.name.startswith(worker) for part in siblings)
        words = ("worker", role, *(("--sink", sink) if sink else ()))
        siblings.append(self._part(f"{worker}-{number}", words))
        return siblings[-1]

    def leave(self, part: Part, seconds: float) -> None:
        """Send SIGTERM; `tend` restarts the process once it has ended and this long has passed."""
        if part.process.running:
            part.process.terminate()
            self._leaving[part.name] = time.monotonic() + seconds

    def kill(self, part: Part, seconds: float = 0.0) -> None:
        """Kill the process with `kill -9`; `tend` restarts it after this long."""
        if part.process.running:
            part.process.kill()
            self._down[part.name] = time.monotonic() + seconds
            self._leaving.pop(part.name, None)

    def _part(self, name: str, words: Sequence[str | Path]) -> Part:
        instance = {"TAGPULSE_KAFKA__INSTANCE_ID": name} if self._static else {}
        return Part(name, words, self.settings, self._folder, instance | self._env)

    @property
    def parts(self) -> list[Part]:
        return [*([self.produce] if self.produce else []), *self.enrich, *self.store]

    @property
    def all_run(self) -> bool:
        """Whether no process is waiting to be restarted."""
        return not self._down and not self._leaving

    @property
    def reads(self) -> dict[str, str]:
        """The topic that each worker reads."""
        topics = self.settings.topics
        return {"enrich": topics.raw} | {f"store-{sink}": topics.enriched for sink in self._sinks}

    def feed(self, posts: int, *, bad_lines: int = 0, endless: bool = True) -> None:
        """Start a producer that plays `posts` new posts from a file, with `bad_lines` lines of rubbish in the middle.

        With `endless`, more posts follow if it reaches the end before `hurry` is called, so that no process runs out
        of work.
        """
        assert self.produce is None, "the previous producer still runs"
        self._more = int(self.rate * _MORE_SECONDS) if endless else 0
        lines = [value or b"" for _, value in raw_posts(range(self.sent, self.sent + posts))]
        self._file = self._folder / f"posts-{self.sent}.jsonl"
        rubbish = [b"{\xff rubbish %d" % number for number in range(bad_lines)]
        self._file.write_bytes(b"\n".join([*lines[: posts // 2], *rubbish, *lines[posts // 2 :]]) + b"\n")
        self.sent += posts
        self._start_produce(str(self.rate / _EVENT_POSTS_PER_SECOND))

    def hurry(self) -> None:
        """Let the producer send the rest of its file as fast as it can, and no more."""
        self._more = 0
        if self.produce is not None:
            self.produce.process.terminate()
            self._note(self.produce, self.produce.process.wait())
            self._start_produce("max")

    def _start_produce(self, speed: str) -> None:
        self._down.pop("produce", None)
        self.produce = self._part("produce", ("produce", "file", self._file, "--resume", "--speed", speed))

    def wait(self, condition: Callable[[], T], seconds: float, what: str, poll: float = _POLL_SECONDS) -> T:
        """Wait for a condition, and meanwhile restart processes that end by themselves."""
        deadline = time.monotonic() + seconds
        while not (result := condition()):
            self.tend()
            if time.monotonic() > deadline:
                logs = "".join(f"\n{part.name}: {part.process.stderr[-1500:]}" for part in self.parts)
                raise AssertionError(f"not within {seconds:g} s: {what}, {self.endings}{logs}")
            time.sleep(poll)
        return result

    def during(self, seconds: float) -> None:
        """Let a fault last for `seconds`."""
        end = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() >= end, seconds + 1, "the end of the fault")

    def through(self, start: Callable[[], None], seconds: float, end: Callable[[], None]) -> float:
        """Feed posts before, during and after a fault, and return the seconds that recovery took."""
        self.feed(int(self.rate * (seconds + 30)))
        self.wait_until_moving()
        start()
        self.during(seconds)
        end()
        recovered = self.recovered()
        self.hurry()
        self.settle()
        return recovered

    def recovered(self, seconds: float = 240.0, parts: Sequence[Part] | None = None) -> float:
        """Return the seconds from now until each process has handled a record again."""
        began = time.monotonic()
        before = {part: part.handled() for part in parts or self.parts}
        waiting = set(before)

        def all_moved() -> bool:
            moved = [part for part in waiting if part.handled() not in (0.0, before[part])]
            waiting.difference_update(moved)
            # a producer may have ended meanwhile
            waiting.intersection_update(self.parts)
            return not waiting

        self.wait(all_moved, seconds, "every process handles records again")
        return time.monotonic() - began

    def partitions_move(self, seconds: float = 240.0) -> float:
        """Return the seconds from now until there are new commits for each partition.

        Records that a process still held when its group continued without it do not count.
        """
        began = time.monotonic()
        groups = self.reads
        before = {group: self._committed(group, topic) for group, topic in groups.items()}

        def all_moved() -> bool:
            now = {group: self._committed(group, topic) for group, topic in groups.items()}
            return all(now[group].get(at, 0) > offset for group in groups for at, offset in before[group].items())

        self.wait(all_moved, seconds, "commits of every partition", _SETTLE_POLL_SECONDS)
        return time.monotonic() - began

    def _committed(self, worker: str, topic: str) -> dict[int, int]:
        return committed(self.settings.kafka, f"{self.settings.kafka.group_prefix}.{worker}", topic)

    def wait_until_moving(self) -> None:
        """Wait until every process has handled a record."""
        self.wait(lambda: all(part.handled() for part in self.parts), 120, "every process handles records")

    def tend(self) -> None:
        """Note which processes ended by themselves, and restart them."""
        for part in self.parts:
            code = part.process.poll()
            if code is None:
                continue
            if part.name not in self._down:
                self._note(part, code)
                if part is self.produce and code == 0:
                    self.produce = None
                    if self._more:
                        self.feed(self._more)
                    continue
                assert code not in PERMANENT, f"{part.name} failed for good: {self.endings[-1]}"
                due = time.monotonic() + _RESTART_SECONDS
                self._down[part.name] = self._leaving.pop(part.name, due)
            elif time.monotonic() > self._down[part.name]:
                del self._down[part.name]
                part.start()

    def _note(self, part: Part, code: int) -> None:
        self.endings.append(part.ending(code))

    def settle(self, seconds: float = 180.0) -> None:
        """Wait until everything that was fed has been sent, enriched and stored."""
        self.wait(lambda: self.produce is None, seconds, "everything is sent")
        for worker, topic in self.reads.items():
            is_read = functools.partial(self._is_read, worker, topic)
            self.wait(is_read, seconds, f"{worker} has read everything", _SETTLE_POLL_SECONDS)

    def _is_read(self, worker: str, topic: str) -> bool:
        with contextlib.suppress(KafkaError):
            ends = {partition: end for partition, end in end_offsets(self.settings.kafka, topic).items() if end}
            return self._committed(worker, topic) == ends
        return False

    def verdict(self) -> Verdict:
        """Count what the lake and the topics contain of everything that was fed since the beginning."""
        shown = Counter(post for (post,) in ask(self.settings.lake.path, "select id from posts").rows)
        rows = lake_rows(self.settings.lake.path)
        on_topic = outcome(self.settings)
        unknown = shown.keys() - {str(number) for number in range(self.sent)}
        assert not unknown, f"the lake has posts that nobody sent: {sorted(unknown)[:5]}"
        return Verdict(
            posts=self.sent,
            lost=self.sent - len(shown),
            twice=on_topic.repeated,
            shown_twice=sum(shown.values()) - len(shown),
            rows_twice=len(rows) - len(set(rows)),
            dead=count(self.settings.kafka, self.settings.topics.dead),
        )

    def compact(self) -> int:
        """Run `tagpulse lake compact` and return its exit code."""
        with Tagpulse("lake", "compact", "--execute", settings=self.settings, folder=self._folder) as compacting:
            return compacting.wait(120)

    def end(self) -> list[Ending]:
        """Send SIGTERM to every process, and return these and all earlier endings except kills."""
        for part in self.parts:
            part.process.terminate()
        for part in self.parts:
            self._note(part, part.process.wait())
        return self.endings

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for part in self.parts:
            part.process.__exit__(kind, error, traceback)
