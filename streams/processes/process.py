"""A child process that ends when this process ends, for whatever reason."""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Literal, Self

from streams.errors import TagpulseError, Unavailable

logger = logging.getLogger(__name__)

TAGPULSE = (sys.executable, "-m", "streams")
"""The command that runs tagpulse, without its arguments."""
PERMANENT = (2, 65, 77, 78)
"""Exit codes after which a restart cannot help: wrong usage, bad input, refused, wrong settings."""

# Runs in the child, which then executes the command and so keeps its process id. `preexec_fn` would be unsafe in a
# process with threads.
_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
if os.getppid() != int(sys.argv[1]): sys.exit("the parent is gone")
os.execvp(sys.argv[2], sys.argv[2:])
"""
_REQUEST_SECONDS = 0.5
_POLL_SECONDS = 0.05
_TAIL_CHARACTERS = 2_000
_FIRST_BACKOFF_SECONDS = 1.0
_MAX_BACKOFF_SECONDS = 30.0
_STEADY_SECONDS = 60.0
_SIGNALLED = 128  # plus the number of the signal, as in shells

State = Literal["waiting", "starting", "running", "again", "done"]
"""`again`: the process died and is restarted after a pause; `done`: it has ended."""


class Process:
    """A process that is started, watched, restarted when it dies, and stopped.

    On Linux the kernel kills it when the thread that started it ends for any reason, so start it from a thread that
    lives long enough. On other systems it survives if its parent is killed. Ctrl-C in the terminal does not reach it:
    its owner must stop it.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path | None,
        environment: Mapping[str, str] = os.environ,
        *,
        address: str = "",
        ready: str = "/readyz",
        restart: bool = True,
        ends: bool = False,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        """Prepare a process without starting it.

        Args:
            name: What it is called.
            command: The program and its arguments.
            log: The file to which its standard output and error are appended; None uses those of this process.
            environment: Its environment variables.
            address: The HOST:PORT of its pages, if it has any.
            ready: The path of its readiness check.
            restart: Whether `look` restarts it when it dies; otherwise that is an error.
            ends: Whether it may end on its own, with exit code 0.
            stop_signal: What asks it to end.
        """
        self.name = name
        self.command = command
        self.log = log
        self.environment = dict(environment)
        self.address = address
        self.restarts = 0
        self.detail = ""
        """Why it is not ready; empty while it does not answer."""
        self._ready = ready
        self._restart = restart
        self._ends = ends
        self._stop_signal = stop_signal
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ready = self._is_asked_to_end = False
        self._started = 0.0
        self._backoff = _FIRST_BACKOFF_SECONDS
        self._restart_at: float | None = None

    @property
    def title(self) -> str:
        """The name of the process in messages; for tagpulse, its command line."""
        count = len(TAGPULSE)
        is_tagpulse = tuple(self.command[:count]) == TAGPULSE
        return f"`tagpulse {' '.join(self.command[count:])}`" if is_tagpulse else self.name

    @property
    def state(self) -> State:
        if self._process is None:
            return "waiting"
        if self._restart_at is not None:
            return "again"
        if not self.running:
            return "done"
        return "running" if self._is_ready else "starting"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Process id; None if the process is not running."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def exit_code(self) -> int | None:
        """Exit code as in shells; None before the end, 0 if the process was asked to end and did so at once."""
        code = None if self._process is None else self._process.poll()
        if code is None or code >= 0:
            return code
        # the signal arrived before the process had set up its handler
        return 0 if self._is_asked_to_end and code == -self._stop_signal else _SIGNALLED - code

    def start(self) -> Self:
        """Start the process."""
        command = self.command
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *command]
        with self.log.open("ab") if self.log else contextlib.nullcontext() as file:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=self.environment,
                start_new_session=True,
            )
        self._started, self._restart_at = time.monotonic(), None
        self._is_ready = self._is_asked_to_end = False
        return self

    def look(self) -> None:
        """Check whether the process is ready, and restart it with back-off if it has died.

        Raises:
            TagpulseError: It has died and is not restarted.
        """
        code = self.exit_code
        if code is not None:
            self._restart_if_due(code)
        elif self._process is not None and self.address and not self._is_ready:
            status, text = self.ask(self._ready)
            self._is_ready = status == HTTPStatus.OK
            self.detail = "" if self._is_ready else text.removeprefix("not ready: ").strip()

    def await_ready(self, is_ready: Callable[[], bool], seconds: float) -> None:
        """Wait until `is_ready` says so.

        Raises:
            Unavailable: The process ended, or was not ready within `seconds` and has been killed.
        """
        deadline = time.monotonic() + seconds
        while not is_ready():
            if not self.running:
                raise Unavailable(f"{self.name} exited during startup with code {self.exit_code}: {self.log_tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise Unavailable(f"{self.name} was not ready within {seconds:g} s: {self.log_tail()}")
            time.sleep(_POLL_SECONDS)
        self._is_ready = True

    def ask(self, path: str) -> tuple[int, str]:
        """Request a page, and return its status and text; the status is 0 if there is no answer."""
        connection = http.client.HTTPConnection(self.address, timeout=_REQUEST_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def error(self, advice: str = "") -> TagpulseError:
        """Return an error saying that this process failed, and what to do, with the end of its log."""
        failed = "makes no progress" if self.running else f"ended with exit code {self.exit_code}"
        tail = f":\n{self.log_tail()}" if self.log else ""
        return TagpulseError(f"{self.title} {failed}{advice and f'; {advice}'}{tail}")

    def log_tail(self) -> str:
        """Return the end of the log and its path, for an error message."""
        text = self.log.read_text(errors="replace")[-_TAIL_CHARACTERS:].strip() if self.log else ""
        return f"{text or 'the log is empty'} (full log: {self.log})"

    def terminate(self) -> None:
        """Ask the process to end, even if it is suspended."""
        if self._process is not None and self.running:
            self._is_asked_to_end = True
            self._process.send_signal(self._stop_signal)
            self._process.send_signal(signal.SIGCONT)

    def wait(self, seconds: float | None = None) -> int | None:
        """Wait for the process to end, and return its exit code; None if it is still running after `seconds`."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        return self.exit_code

    def kill(self) -> None:
        """Kill the process (SIGKILL) and wait until it has ended."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _restart_if_due(self, code: int) -> None:
        if code == 0 and self._ends:
            return
        if code in PERMANENT or not self._restart:
            raise self.error()
        now = time.monotonic()
        if self._restart_at is None:
            if now - self._started > _STEADY_SECONDS:
                self._backoff = _FIRST_BACKOFF_SECONDS
            self._restart_at = now + self._backoff
            logger.warning("%s ended with exit code %d; restarting it in %.0f s", self.title, code, self._backoff)
            self._backoff = min(self._backoff * 2, _MAX_BACKOFF_SECONDS)
        elif now >= self._restart_at:
            self.restarts += 1
            self.start()


def stop(processes: Sequence[Process], seconds: float) -> None:
    """Ask all processes to end, and kill those that have not ended after `seconds`."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + seconds
    for process in processes:
        process.wait(max(0.0, deadline - time.monotonic()))
        if process.running:
            process.kill()
            logger.error("%s did not stop within %g s and was killed", process.title, seconds)
