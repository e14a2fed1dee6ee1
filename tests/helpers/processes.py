"""Running `tagpulse …` as a real process, and waiting for a condition with a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import BaseModel, SecretStr

from streams.settings import PREFIX, Settings
from tests.helpers.brokers import ROOT

T = TypeVar("T")

_POLL_SECONDS = 0.05


def wait_until(condition: Callable[[], T | None], seconds: float = 30.0, what: str = "") -> T:
    """Call `condition` until it returns something true, and return that. Fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what or condition.__name__}, last {result!r}")
        time.sleep(_POLL_SECONDS)
    return result


async def eventually(condition: Callable[[], T | None], seconds: float = 30.0, what: str = "") -> T:
    """Do the same as `wait_until` in a test on an event loop."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what or condition.__name__}, last {result!r}")
        await asyncio.sleep(_POLL_SECONDS)
    return result


async def unchanged(number: Callable[[], int], polls: int = 10, seconds: float = 30.0, what: str = "") -> int:
    """Wait until `number` returns the same value `polls` times in a row, and return it. Fail after `seconds`."""
    seen: list[int] = []

    def is_unchanged() -> bool:
        seen.append(number())
        return len(seen) >= polls and len(set(seen[-polls:])) == 1

    await eventually(is_unchanged, seconds, what or "a number that no longer changes")
    return seen[-1]


def is_alive(pid: int) -> bool:
    """Return whether a process runs, no matter which process started it. A zombie is dead."""
    return _state_and_parent(pid)[0] not in ("", "Z")


def children(pid: int) -> list[int]:
    """Return the running processes that a process started."""
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    return [child for child in pids if _state_and_parent(child)[1] == pid and is_alive(child)]


def _state_and_parent(pid: int) -> tuple[str, int]:
    try:
        state, parent, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    return state, int(parent)


def environment(settings: Settings, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for a process with these settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return inherited | _variables(settings, PREFIX) | dict(extra or {})


def _variables(section: BaseModel, prefix: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in type(section).model_fields:
        value: Any = getattr(section, name)
        if isinstance(value, BaseModel):
            found |= _variables(value, f"{prefix}{name.upper()}__")
        elif isinstance(value, tuple):
            found[prefix + name.upper()] = json.dumps([_revealed(part) for part in value])
        elif value is not None:
            found[prefix + name.upper()] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    return found


def _revealed(section: BaseModel) -> dict[str, Any]:
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in section
        if value is not None
    }


def run_tagpulse(
    *arguments: str | Path,
    settings: Settings,
    timeout: float = 60.0,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `tagpulse ARGUMENTS` to its end."""
    return subprocess.run(
        _command(arguments),
        env=environment(settings, env),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def run_module(name: str, *, settings: Settings, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run a module of the tests as a process to its end."""
    return subprocess.run(
        [sys.executable, "-m", name],
        cwd=ROOT,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


class Tagpulse:
    """`tagpulse ARGUMENTS` in the background: `with Tagpulse("worker", "enrich", settings=…, folder=tmp_path) as worker:`.

    At the end of the block, the process and all that it started are killed.
    """

    def __init__(
        self, *arguments: str | Path, settings: Settings, folder: Path, env: Mapping[str, str] | None = None
    ) -> None:
        name = "-".join(str(argument).strip("-").rpartition("/")[2] for argument in arguments[:3])
        attempt = len(list(folder.glob(f"{name}.*.out")))
        self.arguments = arguments
        self._out = folder / f"{name}.{attempt}.out"
        self._err = folder / f"{name}.{attempt}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                _command(arguments),
                env=environment(settings, env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def poll(self) -> int | None:
        """Return the exit code; None while the process runs."""
        return self._process.poll()

    @property
    def stdout(self) -> str:
        """What it has written so far."""
        return self._out.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        """The log so far."""
        return self._err.read_text(errors="replace")

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def terminate(self) -> None:
        """Send SIGTERM to this process alone, as a supervisor does."""
        self._process.terminate()

    def interrupt(self) -> None:
        """Send SIGINT to the whole process group, as Ctrl-C in a terminal does."""
        os.killpg(self.pid, signal.SIGINT)

    def kill(self) -> None:
        """Kill this process alone with `kill -9`, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def wait(self, seconds: float = 30.0) -> int:
        """Wait for the end and return the exit code. Fail with the log if the process does not end in time."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds:g} s: {self.stderr[-4000:]}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        if error is not None:
            error.add_note(f"log of tagpulse {' '.join(map(str, self.arguments))}:\n{self.stderr[-4000:]}")


def _command(arguments: tuple[str | Path, ...]) -> list[str]:
    return [sys.executable, "-m", "streams", *map(str, arguments)]


def deliver(number: signal.Signals) -> None:
    """Call the handler of a signal in this process, which a real signal would end if there were none."""
    handler = signal.getsignal(number)
    assert callable(handler), f"{number!r} is not handled"
    handler(number, None)
