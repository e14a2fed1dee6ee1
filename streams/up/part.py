"""A process of a trial, with its metrics and the last line of its log."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from streams.processes.broker import HOST, free_port
from streams.processes.process import Process

_TAIL_BYTES = 4_096
_RATE_SECONDS = 3.0
_LOGFMT = re.compile(r"""^ts=\S+ .*\blevel=(\w+) .*\bmsg="?((?<=")(?:[^"\\]|\\.)*|\S+)""")
"""The log format of Prometheus and Alertmanager."""
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\S+ +")


class Part(Process):
    """A process that serves its readiness on a port of its own, and its metrics if it has a counter."""

    log: Path

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str] = os.environ,
        *,
        counter: str = "",
        ready: str = "/readyz",
        restart: bool = True,
        ends: bool = False,
    ) -> None:
        """Prepare a `Process`; `counter` is the metric from which the rate is computed, if it has metrics."""
        self.port = free_port()
        super().__init__(
            name, command, log, environment, address=f"{HOST}:{self.port}", ready=ready, restart=restart, ends=ends
        )
        self.counter = counter
        self.rate = 0.0
        """Records per second in the last few seconds."""
        self.samples: list[Sample] = []
        self._counts: deque[tuple[float, float]] = deque()
        """Times on the monotonic clock, and the counter at each of them."""

    @property
    def url(self) -> str:
        return f"http://{self.address}" + ("/metrics" if self.counter else "")

    @property
    def lag(self) -> int | None:
        """Records that the process has not handled yet; None if unknown."""
        lags = [sample.value for sample in self.samples if sample.name == "tagpulse_consumer_lag"]
        return int(sum(lags)) if lags else None

    def look(self) -> None:
        super().look()
        if not self.running:
            self.rate = 0.0
            self._counts.clear()
        elif self.counter:
            self._measure()

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

    def _measure(self) -> None:
        status, text = self.ask("/metrics")
        if status != HTTPStatus.OK:
            return
        self.samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        now, count = time.monotonic(), self.total(self.counter)
        self._counts.append((now, count))
        while len(self._counts) > 1 and self._counts[1][0] <= now - _RATE_SECONDS:
            self._counts.popleft()
        since, before = self._counts[0]
        self.rate = max(0.0, count - before) / (now - since) if now > since else 0.0
