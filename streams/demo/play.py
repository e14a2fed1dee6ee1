"""Runs the demo: sets everything up, watches until every post has arrived, and sums up the day."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from streams.demo.feed import BAD_RECORDS, BadRecordInjector, DemoConsumer, write_day
from streams.demo.stage import DemoProcess, Stage
from streams.demo.state import Play
from streams.demo.tally import Tally
from streams.errors import TagpulseError
from streams.kafka import topics
from streams.processes.broker import Kind
from streams.sample_day import END, START, sample_day

if TYPE_CHECKING:
    from streams.demo.summary import DaySummary

WATCH_SECONDS = 0.1
_CHECK_SECONDS = 0.3
_MAX_IDLE_SECONDS = 60.0
_STORE_TIMEOUT_SECONDS = 30.0
_RATE_SECONDS = 3.0


Show = Callable[[Play], None]


def play(
    folder: Path, *, kind: Kind, campaign: Path, speed: float | None, show: Show, started: float | None = None
) -> DaySummary:
    """Play the sample day until each of its messages has been enriched and stored, or is a dead letter.

    No process is left running, whether this returns or raises.

    Args:
        folder: An empty folder; afterwards it contains the lake and the logs.
        kind: The kind of broker to start.
        campaign: The campaign file.
        speed: Speed relative to real time; None plays as fast as possible.
        show: Called with the current state about ten times a second.
        started: When the demo started, on the monotonic clock; now by default.

    Raises:
        TagpulseError: A process failed; the message ends with the last part of its log.
    """
    started = time.monotonic() if started is None else started
    with contextlib.ExitStack() as stack:
        stage = Stage(folder, kind, campaign, speed=speed)
        stack.callback(stage.close)
        # first, because it takes longest to load; it waits for the topics
        stage.start(stage.enrich)
        stage.broker.start()
        topics.create(stage.settings)
        day = sample_day()
        write_day(day, stage.day)
        stage.start(stage.produce)
        run = Play(stage, Tally(START, END), len(day) + len(BAD_RECORDS), speed, started)
        consumer = DemoConsumer(stage.settings, run.tally)
        stack.callback(consumer.close)
        injector = BadRecordInjector(stage.settings)
        stack.callback(injector.close)
        _watch(run, consumer, injector, show)
        _wait_for_lake(run, show)
        consumer.watch(0)
        stage.finish()
        run.now = time.monotonic()
        from streams.demo.summary import sum_up  # imports DuckDB, which is slow and must not delay the first post

        return sum_up(run)


def _watch(run: Play, consumer: DemoConsumer, injector: BadRecordInjector, show: Show) -> None:
    """Wait until every message of the day has been enriched or is a dead letter."""
    progressed_at, checked_at, last_count = run.started, 0.0, 0
    recent: list[tuple[float, int]] = [(time.monotonic(), 0)]
    while run.tally.produced < run.messages or run.tally.missing():
        consumer.watch(WATCH_SECONDS)
        run.now = now = time.monotonic()
        injector.send_until(run.tally.produced / run.messages if run.stage.produce.state != "done" else 1.0)
        if run.first_enriched is None and run.tally.enriched:
            run.first_enriched = run.seconds
        recent = [entry for entry in recent if entry[0] > now - _RATE_SECONDS] or recent[-1:]
        recent.append((now, run.tally.enriched))
        (since, before), enriched = recent[0], run.tally.enriched
        run.rate = (enriched - before) / max(now - since, WATCH_SECONDS)
        if now - checked_at >= _CHECK_SECONDS:
            checked_at = now
            run.stage.check()
            for part in run.stage.parts:
                part.look()
            run.stage.produce.is_ready = run.tally.produced > 0  # a producer of files serves no /readyz
            if run.stage.enrich.has_loaded and run.stage.store.state == "waiting":
                # while the enrich worker joins its group: loading both at once would slow down each of them
                run.stage.start(run.stage.store)
            run.stored = run.stage.stored() if run.stage.store.is_ready else 0
        count = run.tally.produced + enriched + run.tally.dead
        awaited = _awaited_part(run)
        if count != last_count or awaited is None:
            last_count, progressed_at = count, now
        elif now - progressed_at > _MAX_IDLE_SECONDS:
            raise awaited.fault()
        show(run)


def _awaited_part(run: Play) -> DemoProcess | None:
    """Return the process that must act next; None while the producer only waits for the next post of the day."""
    if run.tally.missing():
        return run.stage.enrich
    return run.stage.produce if not run.tally.produced or run.stage.produce.state == "done" else None


def _wait_for_lake(run: Play, show: Show) -> None:
    """Wait until the lake contains every post.

    Raises:
        TagpulseError: It does not contain them in time.
    """
    from streams.demo.summary import lake_posts

    deadline = time.monotonic() + _STORE_TIMEOUT_SECONDS
    run.rate = 0.0
    while (stored := lake_posts(run.stage.settings.lake.path)) != run.tally.kept_posts:
        if time.monotonic() > deadline:
            kept = run.tally.kept_posts
            raise TagpulseError(f"the lake contains {stored} of {kept} posts; {run.stage.store.fault()}")
        run.stage.check()
        run.stage.store.look()
        run.now = time.monotonic()
        run.stored = run.stage.stored()
        show(run)
        time.sleep(WATCH_SECONDS)
    run.stored = run.stage.stored()
    show(run)
