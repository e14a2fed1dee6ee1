"""The course of the demo: set up, watch until every post has arrived, sum up."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from streams.demo.feed import BAD_RECORDS, BadRecordInjector, DemoConsumer, write_day
from streams.demo.stage import Part, Stage
from streams.demo.state import Play
from streams.demo.tally import Tally
from streams.errors import TagpulseError
from streams.kafka import topics
from streams.processes.broker import Kind
from streams.sample_day import END, START, sample_day

if TYPE_CHECKING:
    from streams.demo.summary import DaySummary

WATCH_SECONDS = 0.1
_LOOK_SECONDS = 0.3
_PATIENCE_SECONDS = 60.0
_STORE_PATIENCE_SECONDS = 30.0
_RATE_SECONDS = 3.0


Show = Callable[[Play], None]


def play(
    folder: Path, *, kind: Kind, campaign: Path, speed: float | None, show: Show, started: float | None = None
) -> DaySummary:
    """Plays the sample day and returns when every message of it was enriched and stored, or is a dead letter.

    `folder` must be empty; afterwards it holds the lake and the logs. `show` is called about ten times a second.
    `speed`: how many times faster than the day itself, None as fast as it goes. `started`: when the demo began, on the
    monotonic clock. Raises TagpulseError, with the end of the log of the process at fault. No process is left behind.
    """
    started = time.monotonic() if started is None else started
    with contextlib.ExitStack() as stack:
        stage = Stage(folder, kind, campaign, speed=speed)
        stack.callback(stage.close)
        # first, since it takes longest to load; it waits for the topics
        stage.start(stage.enrich)
        stage.broker.start()
        topics.create(stage.settings)
        day = sample_day()
        write_day(day, stage.day)
        stage.start(stage.produce)
        run = Play(stage, Tally(START, END), len(day) + len(BAD_RECORDS), speed, started)
        audience = DemoConsumer(stage.settings, run.tally)
        stack.callback(audience.close)
        spoiler = BadRecordInjector(stage.settings)
        stack.callback(spoiler.close)
        _watch(run, audience, spoiler, show)
        _wait_for_lake(run, show)
        audience.watch(0)
        stage.finish()
        run.now = time.monotonic()
        from streams.demo.summary import sum_up  # DuckDB takes its time to import: not before the first post

        return sum_up(run)


def _watch(run: Play, audience: DemoConsumer, spoiler: BadRecordInjector, show: Show) -> None:
    """Returns when every message of the day is enriched or a dead letter."""
    moved, looked, last_seen = run.started, 0.0, 0
    recent: list[tuple[float, int]] = [(time.monotonic(), 0)]
    while run.tally.produced < run.messages or run.tally.missing():
        audience.watch(WATCH_SECONDS)
        run.now = now = time.monotonic()
        spoiler.send_until(run.tally.produced / run.messages if run.stage.produce.state != "done" else 1.0)
        if run.first_enriched is None and run.tally.enriched:
            run.first_enriched = run.seconds
        recent = [entry for entry in recent if entry[0] > now - _RATE_SECONDS] or recent[-1:]
        recent.append((now, run.tally.enriched))
        (since, before), enriched = recent[0], run.tally.enriched
        run.rate = (enriched - before) / max(now - since, WATCH_SECONDS)
        if now - looked >= _LOOK_SECONDS:
            looked = now
            run.stage.check()
            for part in run.stage.parts:
                part.look()
            run.stage.produce.is_ready = run.tally.produced > 0  # a producer of files has no page that says so
            if run.stage.enrich.has_loaded and run.stage.store.state == "waiting":
                # while the other one joins its group: two at once would both load slowly
                run.stage.start(run.stage.store)
            run.stored = run.stage.stored() if run.stage.store.is_ready else 0
        seen = run.tally.produced + enriched + run.tally.dead
        late = _late(run)
        if seen != last_seen or late is None:
            last_seen, moved = seen, now
        elif now - moved > _PATIENCE_SECONDS:
            raise late.fault()
        show(run)


def _late(run: Play) -> Part | None:
    """Whose turn it is; None while the producer only waits for the next post of the day."""
    if run.tally.missing():
        return run.stage.enrich
    return run.stage.produce if not run.tally.produced or run.stage.produce.state == "done" else None


def _wait_for_lake(run: Play, show: Show) -> None:
    """Returns when the lake holds every post. Raises TagpulseError when it does not in time."""
    from streams.demo.summary import lake_posts

    deadline = time.monotonic() + _STORE_PATIENCE_SECONDS
    run.rate = 0.0
    while (held := lake_posts(run.stage.settings.lake.path)) != run.tally.kept_posts:
        if time.monotonic() > deadline:
            raise TagpulseError(f"the lake holds {held} of {run.tally.kept_posts} posts; {run.stage.store.fault()}")
        run.stage.check()
        run.stage.store.look()
        run.now = time.monotonic()
        run.stored = run.stage.stored()
        show(run)
        time.sleep(WATCH_SECONDS)
    run.stored = run.stage.stored()
    show(run)
