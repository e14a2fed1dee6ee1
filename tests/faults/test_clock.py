"""The clock of every process is stepped by an hour, forth and back: nothing is lost, and no wait lasts an hour."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from streams.broker import Broker
from tests.faults.conftest import Tell
from tests.helpers.pipeline import Pipeline

_LIBRARIES = "/usr/lib/*/faketime/libfaketimeMT.so.1"


def _library() -> Path:
    found = next(Path("/").glob(_LIBRARIES.removeprefix("/")), None)
    if found is None:
        pytest.skip("stepping the clock of a process needs libfaketime (Debian: faketime)")
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_clock_that_is_stepped_by_an_hour_costs_no_post(
    apache_broker: Broker, tmp_path: Path, pipeline: Callable[..., Pipeline], tell: Tell, full: bool
) -> None:
    seconds = 30.0 if full else 2.0
    steps = ["+3600s", "+0s", "-3600s", "+0s"]
    offset = tmp_path / "clock"
    offset.write_text("+0s\n")
    stepped = {
        "LD_PRELOAD": str(_library()),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_CACHE_DURATION": "1",
        # a step of the clock moves neither the monotonic clock nor the times of files
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    longest = 0.0
    with pipeline(apache_broker, rate=50.0, env=stepped) as running:
        # some rubbish, too: a dead letter carries the time at which it was written
        running.feed(int(50 * len(steps) * (seconds + 10)), bad_lines=20)
        running.moving()
        for step in steps:
            offset.write_text(f"{step}\n")
            longest = max(longest, running.recovered())
            running.during(seconds)
        running.hurry()
        running.settle()
        endings = running.end()
        verdict = running.verdict()
    tell(
        fault="clock of every process stepped by an hour, forth and back",
        times=len(steps),
        posts=verdict.posts,
        lost=verdict.lost,
        twice=verdict.twice,
        recovered=longest,
        size="" if full else f"a step every {seconds:g} s",
    )
    assert (verdict.shown_twice, verdict.rows_twice) == (0, 0)
    assert verdict.dead >= 20
    assert [ending for ending in endings if ending.code or not ending.is_told] == []
