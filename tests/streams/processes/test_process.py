"""A process is restarted when it dies, says why it failed, and is stopped."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from streams.errors import TagpulseError
from streams.processes.process import Process, stop
from tests.helpers.processes import wait_until

_STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)


def process(tmp_path: Path, code: str, **options: Any) -> Process:
    return Process("one", (sys.executable, "-c", code), tmp_path / "one.log", **options).start()


def looked(one: Process) -> Process:
    """Update the process and return it."""
    one.look()
    return one


def test_a_process_that_dies_is_restarted_after_a_pause(tmp_path: Path) -> None:
    one = process(tmp_path, "raise SystemExit(1)")
    wait_until(lambda: looked(one).state == "again", 20, "it has died")
    assert one.restarts == 0
    wait_until(lambda: looked(one).restarts == 2, 20, "it is restarted")
    stop([one], 10)


def test_a_process_that_fails_permanently_is_not_restarted(tmp_path: Path) -> None:
    one = process(tmp_path, "print('a wrong setting'); raise SystemExit(78)")
    with pytest.raises(TagpulseError, match="one ended with exit code 78:\na wrong setting"):
        wait_until(lambda: looked(one).restarts, 20)


def test_a_process_without_restarts_fails_at_once(tmp_path: Path) -> None:
    one = process(tmp_path, "raise SystemExit(1)", restart=False)
    with pytest.raises(TagpulseError, match="one ended with exit code 1:"):
        wait_until(lambda: looked(one).restarts, 20)


def test_a_process_may_end_on_its_own(tmp_path: Path) -> None:
    one = process(tmp_path, "", ends=True)
    wait_until(lambda: looked(one).state == "done", 20, "it is done")
    one.look()
    assert (one.state, one.restarts) == ("done", 0)


def test_a_process_that_does_not_stop_is_killed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    willing, deaf = process(tmp_path, "import time; time.sleep(60)"), process(tmp_path, _STUBBORN)
    wait_until(lambda: "deaf" in deaf.log_tail(), 20, "it ignores SIGTERM")
    stop([willing, deaf], 0.5)
    assert (willing.exit_code, deaf.exit_code) == (0, 128 + signal.SIGKILL)
    assert "one did not stop within 0.5 s and was killed" in caplog.text


def test_the_errors_of_tagpulse_name_its_command_line(tmp_path: Path) -> None:
    one = Process("one", (sys.executable, "-m", "streams", "worker", "none"), tmp_path / "one.log").start()
    assert one.wait(60) == 2
    assert str(one.error("try again")).startswith("`tagpulse worker none` ended with exit code 2; try again:\n")
