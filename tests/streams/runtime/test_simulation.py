"""No order of events loses a post: thousands of seeds start, stop and kill workers while partitions are added."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.helpers.brokers import ROOT

SCHEDULES = 2_000
HOLE_SCHEDULES = 400
FOUND_ONCE = {
    9212: "aiokafka's fetcher does not end if the assignment is lost while it is closed",
    20499: "Faust commits nothing, and crashes, if a rebalance takes all partitions just before",
}


def _run(*arguments: str) -> list[dict[str, object]]:
    """Return the bad outcomes, from a separate process in which sets have the same order every time."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.helpers.schedules", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_schedule_loses_a_post_ends_a_worker_or_stalls() -> None:
    assert _run("--count", str(SCHEDULES)) == []


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("seed", FOUND_ONCE)
def test_what_was_found_once_stays_fixed(seed: int) -> None:
    assert _run("--first", str(seed), "--count", "1") == []


@pytest.mark.slow
def test_the_hole_is_found_where_records_are_not_given_back() -> None:
    """Otherwise the schedules above could not fail."""
    [found] = _run("--count", str(HOLE_SCHEDULES), "--without", "rewind,account", "--first-only")
    assert found["lost"]
    assert not found["ended"], "it would have gone unnoticed"


@pytest.mark.slow
def test_the_second_line_ends_the_worker_where_the_first_fails() -> None:
    [found] = _run("--count", str(HOLE_SCHEDULES), "--without", "rewind", "--first-only")
    assert "skipped" in str(found["ended"])


@pytest.mark.slow
def test_a_worker_that_was_on_standby_for_long_takes_over() -> None:
    assert _run("--count", "3", "--standby") == []
