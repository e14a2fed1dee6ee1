"""A process managed by `tagpulse up`: started, monitored, restarted when it dies, and stopped."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Literal

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from streams.errors import TagpulseError
from streams.processes.broker import HOST, free_port
from streams.processes.child import ask, log_tail, spawn
from streams.processes.supervisor import FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS, PERMANENT, STEADY_SECONDS

_REQUEST_SECONDS = 0.5
_TAIL_BYTES = 4_096
_LOGFMT = re.compile(r"""^ts=\S+ .*\blevel=(\w+) .*\bmsg="?((?<=")(?:[^"\\]|\\.)*|\S+)""")
"""The log format of Prometheus and Alertmanager."""
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\S+ +")

State = Literal["waiting", "starting", "running", "again", "done"]
"""`again`: the process died and is restarted after a pause; `done`: it ended on its own, as expected."""


@dataclass
class ManagedProcess:
    """A managed process, with its metrics, if any, on `port`; `ready` is the path of its readiness check."""

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str]
    port: int = field(default_factory=free_port)
    ready: str = "/readyz"
    ends: bool = False
    """Whether the process may end on its own, with exit code 0."""
    restarts: int = 0
    rate: float = 0.0
    """Records per second at present."""
    lag: int | None = None
    """Records that the process has not handled yet; None if unknown."""
    samples: list[Sample] = field(default_factory=list)
    _process: subprocess.Popen[bytes] | None = None
    _is_ready: bool = False
    _started: float = 0.0
    _backoff: float = FIRST_BACKOFF_SECONDS
    _restart_at: float | None = None
    _counted: tuple[float, float] | None = None

    @property
    def state(self) -> State:
        if self._process is None:
            return "waiting"
        if self._restart_at is not None:
            return "again"
        if self._process.poll() is not None:
            return "done"
        return "running" if self._is_ready else "starting"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Start the process."""
        self._process = spawn(self.command, self.log, self.environment)
        self._started, self._restart_at, self._is_ready, self._counted = time.monotonic(), None, False, None

    def look(self, counter: str = "") -> None:
        """Update the state of the process, and restart it if it has died.

        Args:
            counter: The metric from which the rate is computed; if empty, no metrics are read.

        Raises:
            TagpulseError: The process failed in a way that restarting it cannot fix.
        """
        if self._process is None:
            return
        code = self._process.poll()
        if code is not None:
            self._restart_if_due(code)
            return
        self._is_ready = self._is_ready or self.ask(self.ready)[0] == HTTPStatus.OK
        if counter:
            self._measure(counter)

    def ask(self, path: str) -> tuple[int, str]:
        """Request a page, and return its status and text; the status is 0 while the process does not answer."""
        return ask(f"{HOST}:{self.port}", path, _REQUEST_SECONDS)

    def last_line(self) -> str:
        """Return the last line of the log without its timestamp; empty while there is none."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
                lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        except OSError:
            return ""
        if not lines:
            return ""
        match = _LOGFMT.search(lines[-1])
        return " ".join(match.groups()) if match else _TIME.sub("", lines[-1].strip())

    def total(self, name: str) -> float:
        """Return the sum of a metric over all its labels."""
        return sum(sample.value for sample in self.samples if sample.name == name)

    def terminate(self) -> None:
        """Ask the process to end, even if it is suspended."""
        if self.pid is not None and self._process is not None:
            self._process.terminate()
            self._process.send_signal(signal.SIGCONT)

    def end(self, seconds: float) -> None:
        """Wait for the process to end, and kill it after `seconds`."""
        if self._process is None:
            return
        self._restart_at = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, seconds))
            return
        self._process.kill()
        self._process.wait()

    def _restart_if_due(self, code: int) -> None:
        now = time.monotonic()
        self.rate = 0.0
        if code == 0 and self.ends:
            return
        if code in PERMANENT:
            raise TagpulseError(f"{self.name} failed permanently with exit code {code}:\n{log_tail(self.log)}")
        if self._restart_at is None:
            if now - self._started > STEADY_SECONDS:
                self._backoff = FIRST_BACKOFF_SECONDS
            self._restart_at = now + self._backoff
            self._backoff = min(self._backoff * 2, MAX_BACKOFF_SECONDS)
        elif now >= self._restart_at:
            self.restarts += 1
            self.start()

    def _measure(self, counter: str) -> None:
        status, text = self.ask("/metrics")
        if status != HTTPStatus.OK:
            return
        self.samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        now, count = time.monotonic(), self.total(counter)
        if self._counted is not None and now > self._counted[0]:
            self.rate = max(0.0, count - self._counted[1]) / (now - self._counted[0])
        self._counted = (now, count)
        lags = [sample.value for sample in self.samples if sample.name == "tagpulse_consumer_lag"]
        self.lag = int(sum(lags)) if lags else None
