"""No order of events loses a post: workers come, go and die while partitions are added, as thousands of seeds say."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.helpers.brokers import ROOT

SCHEDULES = 2_000
HOLE_SCHEDULES = 400


def _run(*arguments: str) -> list[dict[str, object]]:
    """Bad outcomes; in a process of its own, whose sets have the same order every time."""
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
def test_no_schedule_loses_a_post_ends_a_worker_or_stands_still() -> None:
    assert _run("--count", str(SCHEDULES)) == []


@pytest.mark.slow
def test_the_hole_is_found_where_records_are_not_given_back() -> None:
    """Else the schedules above could not fail."""
    [found] = _run("--count", str(HOLE_SCHEDULES), "--without", "give-back,account", "--first-only")
    assert found["lost"]
    assert not found["ended"], "nobody would have noticed"


@pytest.mark.slow
def test_the_second_line_ends_the_worker_where_the_first_fails() -> None:
    [found] = _run("--count", str(HOLE_SCHEDULES), "--without", "give-back", "--first-only")
    assert "passed over" in str(found["ended"])


@pytest.mark.slow
def test_a_worker_that_stood_by_for_long_takes_over() -> None:
    assert _run("--count", "3", "--stand-by") == []
