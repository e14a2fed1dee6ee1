"""The disk of the lake is full: the store waits, and continues once there is space."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from streams.processes.broker import Broker
from tests.faults.conftest import Report, Stalls
from tests.helpers.disks import small_disk
from tests.helpers.pipeline import Pipeline


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_store_waits_while_the_disk_is_full(
    apache_broker: Broker,
    tmp_path: Path,
    pipeline: Callable[..., Pipeline],
    report: Report,
    stalled: Stalls,
    full: bool,
) -> None:
    seconds = 60.0 if full else 3.0
    with (
        small_disk(tmp_path / "disk", "2m" if full else "400k") as disk,
        pipeline(apache_broker, rate=50.0, lake={"path": tmp_path / "disk" / "lake"}) as running,
    ):
        running.feed(int(50 * (seconds + 60)))
        running.wait_until_moving()
        store = running.store[0]
        running.wait(lambda: "No space left on device" in store.process.stderr, 120, "the disk is full")
        running.during(seconds)
        assert store.process.running, "the store waits for space"
        disk.resize("200m")
        recovered = running.recovered(parts=[store])
        running.hurry()
        running.settle()
        endings = running.end()
        verdict = running.verdict()
    report(
        fault="disk of the lake full for 60 s",
        times=1,
        posts=verdict.posts,
        lost=verdict.lost,
        twice=verdict.twice,
        recovered=recovered,
        size="" if full else f"for {seconds:g} s",
    )
    assert (verdict.shown_twice, verdict.rows_twice) == (0, 0)
    assert not verdict.dead
    assert stalled(endings) == []
