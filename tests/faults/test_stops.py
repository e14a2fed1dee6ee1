"""SIGTERM at every stage of start and stop: each process exits with 0, logs that it stopped, and loses nothing."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from streams.processes.broker import Broker
from tests.faults.conftest import Report
from tests.helpers.parts import Ending, Part
from tests.helpers.pipeline import Pipeline


def _end_of(part: Part) -> Ending:
    return part.ending(part.process.wait(60))


def _is_right(ending: Ending) -> bool:
    return ending.precedes_start or (ending.code == 0 and ending.gives_reason)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_sigterm_at_every_stage_ends_cleanly(
    apache_broker: Broker, pipeline: Callable[..., Pipeline], report: Report, full: bool
) -> None:
    stages = [step * 0.5 for step in range(20)] if full else [0.0, 0.5, 1.5, 3.0]
    pauses = [0.0, 0.1, 0.3, 0.6, 1.0, 2.0] if full else [0.0, 0.3]
    wrong: list[Ending] = []
    signals = 0
    with pipeline(apache_broker, rate=50.0) as running:
        running.feed(int(50 * (30 + len(stages) * 12)))
        running.wait_until_moving()
        for after in stages:
            for part in running.parts:
                part.process.kill()
                part.start()
            time.sleep(after)  # the stage of the start
            parts = running.parts
            for part in parts:
                part.process.terminate()
                signals += 1
            wrong += [ending for ending in map(_end_of, parts) if not _is_right(ending)]
        for pause in pauses:
            for part in running.parts:
                part.start()
            running.wait_until_moving()
            parts = running.parts
            for part in parts:
                part.process.terminate()
                signals += 2
            time.sleep(pause)  # the stage of the stop
            for part in parts:
                part.process.terminate()
            endings = map(_end_of, parts)
            # a second signal after the shutdown ends what is left of the process
            wrong += [
                ending for ending in endings if not ending.gives_reason or ending.code not in (0, -signal.SIGTERM)
            ]
        for part in running.parts:
            part.start()
        running.hurry()
        running.settle()
        running.end()
        verdict = running.verdict()
    report(
        fault="SIGTERM at every stage of start and stop",
        times=signals,
        posts=verdict.posts,
        lost=verdict.lost,
        twice=verdict.twice,
        note="before the first line of tagpulse runs, the signal ends a process without a message",
        size="" if full else f"{len(stages)} moments of the start, {len(pauses)} of the stop",
    )
    assert wrong == []
    assert (verdict.shown_twice, verdict.rows_twice) == (0, 0)
    assert not verdict.dead
