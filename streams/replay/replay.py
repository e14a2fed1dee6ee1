"""A whole replay: its topics, its workers, its feed, and at the end its manifest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from streams.contracts import utc_now
from streams.errors import BadInput
from streams.kafka import topics
from streams.replay.feed import FeedProgress, ReplayFeed, ResumePoint, resume_point
from streams.replay.manifest import Account, Manifest
from streams.replay.reader import Bounds, Reader
from streams.replay.runs import stored_rows
from streams.replay.selection import Selection
from streams.replay.state import ReplaySpec, State, StateFolder, selection_of
from streams.replay.workers import Workers
from streams.settings import Settings

_LOOK_SECONDS = 0.3


@dataclass
class ReplayProgress:
    """How far a replay is, for whoever shows it."""

    feed: FeedProgress
    left: dict[str, int] = field(default_factory=dict)
    """Records that each worker has not committed yet."""


@dataclass(frozen=True, kw_only=True)
class ReplayRequest:
    """What is to be replayed, and how."""

    order: ReplaySpec
    selection: Selection
    open_reader: Callable[[Sequence[Bounds]], Reader]
    """Makes the reader; given the bounds of an earlier start it reads just these, without any it finds them."""
    speed: float
    concurrency: int


class Replay:
    """One run of a replay; `stop` may be called from a signal handler."""

    def __init__(self, request: ReplayRequest, settings: Settings, clock: Callable[[], datetime] = utc_now) -> None:
        """`settings` are those of the run."""
        self._request = request
        self._settings = settings
        self._memory = StateFolder(settings.produce.state_path)
        self._now = clock
        self._stopping = threading.Event()
        self._feed: ReplayFeed | None = None

    def stop(self) -> None:
        """Ends it soon: the same replay, started again, goes on from there."""
        self._stopping.set()
        if self._feed is not None:
            self._feed.stop()

    def run(self, show: Callable[[ReplayProgress], None]) -> Manifest | None:
        """Returns when everything is enriched and stored, None when it was stopped before.

        A run that was finished earlier is not done again. `show` is called a few times a second. Raises BadInput when the
        run's name was used for something else, TagpulseError when a worker fails.
        """
        run = self._settings.run
        with self._memory.only_one(run):
            state = self._memory.load(run)
            if state is not None and state.order != self._request.order:
                raise BadInput(
                    f"the run {run} was begun with other choices ({_describe(state.order)}): take another name, or "
                    f"`tagpulse runs drop {run} --execute`"
                )
            if state is not None and state.manifest is not None:
                return state.manifest
            already = ResumePoint()
            if state is None:
                reader = self._request.open_reader(())
                made = topics.create(self._settings)
                if made.stood:
                    raise BadInput(
                        f"there is a topic {made.stood[0]} already, of a run {run} that was not begun here: take another "
                        f"name, or `tagpulse runs drop {run} --execute`"
                    )
                state = State(order=self._request.order, bounds=list(reader.bounds), started_at=_text(self._now()))
                self._memory.save(run, state)
            else:
                topics.create(self._settings)
                reader = self._request.open_reader(state.bounds)
                already = resume_point(self._settings)
            manifest = self._play(reader, already, show)
            if manifest is not None:
                began = datetime.fromisoformat(state.started_at)
                manifest.source, manifest.selection = state.order.origin, selection_of(state.order)
                manifest.started_at, manifest.finished_at = state.started_at, _text(self._now())
                manifest.seconds = round((self._now() - began).total_seconds(), 1)
                state.manifest = manifest
                self._memory.save(run, state)
            return manifest

    def _play(self, reader: Reader, already: ResumePoint, show: Callable[[ReplayProgress], None]) -> Manifest | None:
        request, settings = self._request, self._settings
        feed = ReplayFeed(reader, request.selection, settings, speed=request.speed)
        self._feed = feed
        workers = Workers(
            settings,
            request.order.sinks,
            concurrency=request.concurrency,
            logs=self._memory.logs(settings.run),
            watch=not request.order.unwatched,
        )
        failures: list[Exception] = []

        def feeding() -> None:
            try:
                feed.run(already)
            except Exception as error:
                failures.append(error)

        thread = threading.Thread(target=feeding, name="feed", daemon=True)
        standing = ReplayProgress(feed.progress)
        try:
            workers.start()
            thread.start()
            while not self._stopping.is_set():
                if failures:
                    raise failures[0]
                workers.check()
                fed = not thread.is_alive()
                standing.left = workers.left()
                show(standing)
                if fed and feed.progress.done:
                    if not any(standing.left.values()) and workers.is_ended:
                        break
                    workers.end_input(standing.left)
                time.sleep(_LOOK_SECONDS)
            else:
                return None
            workers.stop()
        finally:
            feed.stop()
            thread.join()
            workers.close()
        manifest = Account(settings).manifest()
        manifest.sinks = {
            name: posts.get(settings.run, 0)
            for name in request.order.sinks
            if (posts := stored_rows(name, settings)) is not None
        }
        return manifest


def _describe(order: ReplaySpec) -> str:
    return ", ".join(f"{name}={value}" for name, value in ({"from": order.origin} | selection_of(order)).items())


def _text(time: datetime) -> str:
    return time.isoformat(timespec="seconds")
