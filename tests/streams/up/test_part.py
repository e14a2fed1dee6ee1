"""The state, the metrics and the last log line of a process of a trial."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.processes.process import stop
from tests.helpers.processes import wait_until
from tests.streams.up.parts import SERVER, looked, part


def test_the_state_of_a_process_is_read(tmp_path: Path) -> None:
    one = part(tmp_path, SERVER, counter="x_total")
    states = [one.state]
    one.start()
    try:
        states.append(one.state)
        assert states == ["waiting", "starting"]
        wait_until(lambda: looked(one).state == "running", 20, "it is ready")
        assert (one.total("x_total"), one.lag, one.last_line()) == (7, 5, "serving")
    finally:
        stop([one], 10)
    assert one.pid is None


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("2026-11-27T22:19:08.379+00:00 info streams.worker: ready", "info streams.worker: ready"),
        ('ts=2026-11-27T22:19:08.379Z caller=tls.go:2 level=info msg="TLS is off." http2=false', "info TLS is off."),
        ("ts=2026-11-27T22:19:08.379Z caller=main.go:1 level=warn component=x msg=Listening at=1", "warn Listening"),
        ("anything else", "anything else"),
    ],
)
def test_the_last_line_of_a_log_is_shown_without_its_time(tmp_path: Path, line: str, shown: str) -> None:
    one = part(tmp_path, "")
    one.log.write_text(f"before\n{line}\n\n")
    assert one.last_line() == shown
