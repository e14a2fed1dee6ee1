"""Runs the demo: sets everything up, watches until every post has arrived, and sums up the day."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from streams.demo.feed import BAD_RECORDS, BadRecordInjector, DemoConsumer
from streams.demo.state import Play
from streams.errors import TagpulseError
from streams.processes.broker import Kind
from streams.processes.process import stop
from streams.sample_day import END
from streams.up.part import Part
from streams.up.stage import TrialOptions, Up

if TYPE_CHECKING:
    from streams.demo.summary import DaySummary

_WATCH_SECONDS = 0.1
_CHECK_SECONDS = 1.0
_FINISH_SECONDS = 20.0
_MAX_IDLE_SECONDS = 60.0
_STORE_TIMEOUT_SECONDS = 30.0
# small batches, so that the first results come early and the view moves smoothly
_SETTINGS = {"ENRICH__BATCH_SIZE": "64", "LAKE__FLUSH_SECONDS": "1"}
# Apache Kafka rejects sessions this short
_EMBEDDED_SETTINGS = {"KAFKA__SESSION_TIMEOUT_SECONDS": "3", "KAFKA__HEARTBEAT_SECONDS": "1"}


def prepare(folder: Path, *, kind: Kind, campaign: Path, speed: float, started: float) -> Play:
    """Prepare the demo without starting it.

    Args:
        folder: An empty folder; afterwards it contains the lake and the logs.
        kind: The kind of broker to start.
        campaign: The campaign file.
        speed: Speed relative to real time; inf plays as fast as possible.
        started: When the demo started, on the monotonic clock.
    """
    wanted = TrialOptions(
        until=END,
        speed=speed,
        kind=kind,
        watch=False,
        monitoring=False,
        campaign=campaign,
        restart=False,
        own_settings=False,
        settings=_SETTINGS | (_EMBEDDED_SETTINGS if kind == "embedded" else {}),
    )
    return Play(Up(folder, wanted), started)


def play(run: Play, show: Callable[[], None]) -> DaySummary:
    """Play the sample day until each of its messages has been enriched and stored, or is a dead letter.

    No process is left running, whether this returns or raises.

    Args:
        run: The demo, which is updated.
        show: Called about ten times a second.

    Raises:
        TagpulseError: A process failed; the message ends with the last part of its log.
    """
    stage = run.stage
    with contextlib.ExitStack() as stack:
        # at once: there is nothing to wait for, since the lake survives a crash
        for process in (stage.broker, *stage.parts):
            stack.callback(process.kill)
        stage.start()
        with stage.day.open("rb") as day:
            run.messages = sum(1 for _ in day) + len(BAD_RECORDS)
        consumer = DemoConsumer(stage.settings, run.tally)
        stack.callback(consumer.close)
        injector = BadRecordInjector(stage.settings)
        stack.callback(injector.close)
        _watch(run, consumer, injector, show)
        _wait_for_lake(run, show)
        consumer.watch(0)
        stop(stage.parts, _FINISH_SECONDS)  # gracefully: they finish what they have read
        for part in stage.parts:
            if part.exit_code:
                raise part.error()
        run.now = time.monotonic()
        from streams.demo.summary import sum_up  # imports DuckDB, which is slow and must not delay the first post

        return sum_up(run)


def _watch(run: Play, consumer: DemoConsumer, injector: BadRecordInjector, show: Callable[[], None]) -> None:
    """Wait until every message of the day has been enriched or is a dead letter."""
    progressed_at, checked_at, last_count = run.started, 0.0, 0
    produce = run.stage.part("produce")
    while run.tally.produced < run.messages or run.tally.missing():
        consumer.watch(_WATCH_SECONDS)
        run.now = now = time.monotonic()
        injector.send_until(run.tally.produced / run.messages if produce.state != "done" else 1.0)
        if run.first_enriched is None and run.tally.enriched:
            run.first_enriched = run.seconds
        if now - checked_at >= _CHECK_SECONDS:
            checked_at = now
            run.stage.look()
        count = run.tally.produced + run.tally.enriched + run.tally.dead
        awaited = _awaited_part(run)
        if count != last_count or awaited is None:
            last_count, progressed_at = count, now
        elif now - progressed_at > _MAX_IDLE_SECONDS:
            raise awaited.error()
        show()


def _awaited_part(run: Play) -> Part | None:
    """Return the process that must act next; None while the producer only waits for the next post of the day."""
    produce = run.stage.part("produce")
    if run.tally.missing():
        return run.stage.part("enrich")
    return produce if not run.tally.produced or produce.state == "done" else None


def _wait_for_lake(run: Play, show: Callable[[], None]) -> None:
    """Wait until the lake contains every post.

    Raises:
        TagpulseError: It does not contain them in time.
    """
    from streams.demo.summary import lake_posts

    deadline = time.monotonic() + _STORE_TIMEOUT_SECONDS
    while (stored := lake_posts(run.stage.lake)) != (kept := run.tally.kept_posts):
        if time.monotonic() > deadline:
            error = run.stage.part("store-parquet").error()
            raise TagpulseError(f"the lake contains {stored} of {kept} posts; {error}")
        run.stage.look()
        run.now = time.monotonic()
        show()
        time.sleep(_WATCH_SECONDS)
    run.stage.look()
    show()
