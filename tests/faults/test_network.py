"""The network between the processes and the broker is cut, silent or slow: everything waits, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from streams.processes.broker import HOST
from tests.faults.conftest import Report, Stalls, report_since
from tests.helpers.brokers import broker_behind_line
from tests.helpers.pipeline import NOTHING, Pipeline


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_network_faults_lose_no_post(
    apache_home: Path, tmp_path: Path, pipeline: Callable[..., Pipeline], report: Report, stalled: Stalls, full: bool
) -> None:
    before = NOTHING
    with broker_behind_line(tmp_path / "broker", apache_home) as (broker, line):
        faults: dict[str, tuple[Callable[[], None], float]] = {
            "network cut": (line.cut, 60.0 if full else 3.0),
            "network silent, connections open": (line.silence, 60.0 if full else 12.0),
            # a quarter of the bandwidth that the posts need
            "network slow (20 kB/s, 0.2 s late)": (lambda: line.slow(20_000, 0.2), 60.0 if full else 6.0),
        }
        through = {"TAGPULSE_KAFKA__BOOTSTRAP_SERVERS": f"{HOST}:{line.port}"}
        with pipeline(broker, rate=50.0, env=through) as running:
            for name, (start, seconds) in faults.items():
                recovered = running.through(start, seconds, line.restore)
                before = report_since(
                    report, running, before, f"{name} for 60 s", recovered, "" if full else f"for {seconds:g} s"
                )
            endings = running.end()
    stalled(endings)
