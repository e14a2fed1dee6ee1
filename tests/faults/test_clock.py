"""The clock of every process is stepped by an hour, forward and back: nothing is lost, and no wait lasts an hour."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from streams.processes.broker import Broker
from tests.faults.conftest import Report, Stalls
from tests.helpers.clocks import SteppedClock
from tests.helpers.pipeline import Pipeline


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_clock_stepped_by_an_hour_loses_no_post(
    apache_broker: Broker,
    tmp_path: Path,
    pipeline: Callable[..., Pipeline],
    report: Report,
    stalled: Stalls,
    full: bool,
) -> None:
    seconds = 30.0 if full else 2.0
    steps = [3_600, 0, -3_600, 0]
    clock = SteppedClock(tmp_path)
    longest = 0.0
    with pipeline(apache_broker, rate=50.0, env=clock.env) as running:
        # includes some rubbish, because a dead letter carries the time at which it was written
        running.feed(int(50 * len(steps) * (seconds + 10)), bad_lines=20)
        running.wait_until_moving()
        for step in steps:
            clock.step(step)
            longest = max(longest, running.recovered())
            running.during(seconds)
        running.hurry()
        running.settle()
        endings = running.end()
        verdict = running.verdict()
    report(
        fault="clock of every process stepped by an hour, forward and back",
        times=len(steps),
        posts=verdict.posts,
        lost=verdict.lost,
        twice=verdict.twice,
        recovered=longest,
        size="" if full else f"a step every {seconds:g} s",
    )
    assert (verdict.shown_twice, verdict.rows_twice) == (0, 0)
    assert verdict.dead >= 20
    assert stalled(endings) == []
