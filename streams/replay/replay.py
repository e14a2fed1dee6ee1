"""A whole replay: its topics, workers and feed, and finally its manifest."""

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

_POLL_SECONDS = 0.3


@dataclass
class ReplayProgress:
    """The progress of a replay, for display."""

    feed: FeedProgress
    left: dict[str, int] = field(default_factory=dict)
    """Number of records that each worker has not committed yet."""


@dataclass(frozen=True, kw_only=True)
class ReplayRequest:
    """What to replay, and how."""

    order: ReplaySpec
    selection: Selection
    open_reader: Callable[[Sequence[Bounds]], Reader]
    """Creates the reader for given bounds, if the replay is resumed, or else for bounds that it determines."""
    speed: float
    concurrency: int


class Replay:
    """A replay under the name of a run; `stop` may be called from a signal handler."""

    def __init__(self, request: ReplayRequest, settings: Settings, clock: Callable[[], datetime] = utc_now) -> None:
        """Set up the replay without starting it.

        Args:
            request: What to replay, and how.
            settings: Settings of the run.
            clock: Returns the current time.
        """
        self._request = request
        self._settings = settings
        self._states = StateFolder(settings.produce.state_path)
        self._now = clock
        self._stopping = threading.Event()
        self._feed: ReplayFeed | None = None

    def stop(self) -> None:
        """Make `run` return soon; the same replay can be resumed from there."""
        self._stopping.set()
        if self._feed is not None:
            self._feed.stop()

    def run(self, show: Callable[[ReplayProgress], None]) -> Manifest | None:
        """Run the replay until everything is enriched and stored.

        A finished run is not repeated; its manifest is returned.

        Args:
            show: Called with the progress a few times per second.

        Returns:
            The manifest, or None if the replay was stopped before its end.

        Raises:
            BadInput: The name of the run is used by a different replay.
            TagpulseError: A worker failed.
        """
        run = self._settings.run
        with self._states.only_one(run):
            state = self._states.load(run)
            if state is not None and state.order != self._request.order:
                raise BadInput(
                    f"the run {run} was started with other options ({_describe(state.order)}): choose another name, or "
                    f"remove it with `tagpulse runs drop {run} --execute`"
                )
            if state is not None and state.manifest is not None:
                return state.manifest
            already = ResumePoint()
            if state is None:
                reader = self._request.open_reader(())
                made = topics.create(self._settings)
                if made.existing:
                    raise BadInput(
                        f"the topic {made.existing[0]} exists already, from a run {run} that was not started here: choose "
                        f"another name, or remove it with `tagpulse runs drop {run} --execute`"
                    )
                state = State(order=self._request.order, bounds=list(reader.bounds), started_at=_text(self._now()))
                self._states.save(run, state)
            else:
                topics.create(self._settings)
                reader = self._request.open_reader(state.bounds)
                already = resume_point(self._settings)
            manifest = self._execute(reader, already, show)
            if manifest is not None:
                started = datetime.fromisoformat(state.started_at)
                manifest.source, manifest.selection = state.order.origin, selection_of(state.order)
                manifest.started_at, manifest.finished_at = state.started_at, _text(self._now())
                manifest.seconds = round((self._now() - started).total_seconds(), 1)
                state.manifest = manifest
                self._states.save(run, state)
            return manifest

    def _execute(self, reader: Reader, already: ResumePoint, show: Callable[[ReplayProgress], None]) -> Manifest | None:
        request, settings = self._request, self._settings
        feed = ReplayFeed(reader, request.selection, settings, speed=request.speed)
        self._feed = feed
        workers = Workers(
            settings,
            request.order.sinks,
            concurrency=request.concurrency,
            logs=self._states.logs(settings.run),
            watch=not request.order.unwatched,
        )
        failures: list[Exception] = []

        def run_feed() -> None:
            try:
                feed.run(already)
            except Exception as error:
                failures.append(error)

        thread = threading.Thread(target=run_feed, name="feed", daemon=True)
        progress = ReplayProgress(feed.progress)
        try:
            workers.start()
            thread.start()
            while not self._stopping.is_set():
                if failures:
                    raise failures[0]
                workers.check()
                feed_ended = not thread.is_alive()
                progress.left = workers.left()
                show(progress)
                if feed_ended and feed.progress.done:
                    if not any(progress.left.values()) and workers.is_ended:
                        break
                    workers.end_input(progress.left)
                time.sleep(_POLL_SECONDS)
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
    options = {"from": order.origin} | selection_of(order)
    return ", ".join(
        f"{name}={','.join(map(str, value)) if isinstance(value, list | tuple) else value}"
        for name, value in options.items()
    )


def _text(time: datetime) -> str:
    return time.isoformat(timespec="seconds")
