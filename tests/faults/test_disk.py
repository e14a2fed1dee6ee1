"""The disk of the lake is full: the store waits, and goes on once there is room."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streams.broker import Broker
from tests.faults.conftest import Stalls, Tell
from tests.helpers.pipeline import Pipeline


@contextmanager
def _small_disk(at: Path, size: str) -> Iterator[Callable[[str], None]]:
    """A disk of this size; what it yields changes the size. Skips where this user may mount nothing."""
    at.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tagpulse-tests", str(at)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small disk needs the right to mount one: {mounted.stderr.strip()}")
    try:
        yield lambda to: subprocess.run(["mount", "-o", f"remount,size={to}", str(at)], check=True) and None
    finally:
        subprocess.run(["umount", str(at)], check=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_full_disk_is_waited_for(
    apache_broker: Broker, tmp_path: Path, pipeline: Callable[..., Pipeline], tell: Tell, stalled: Stalls, full: bool
) -> None:
    seconds = 60.0 if full else 3.0
    with (
        _small_disk(tmp_path / "disk", "2m" if full else "400k") as resize,
        pipeline(apache_broker, rate=50.0, lake={"path": tmp_path / "disk" / "lake"}) as running,
    ):
        running.feed(int(50 * (seconds + 60)))
        running.moving()
        store = running.store[0]
        running.wait(lambda: "No space left on device" in store.process.stderr, 120, "the disk is full")
        running.during(seconds)
        assert store.process.running, "a full disk is waited for"
        resize("200m")
        recovered = running.recovered(parts=[store])
        running.hurry()
        running.settle()
        endings = running.end()
        verdict = running.verdict()
    tell(
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
