"""The processes of the demo: the broker, the producer and the workers, each with its own log, stopped together."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Literal

from streams.errors import TagpulseError
from streams.processes.broker import HOST, Broker, Kind, build_broker, free_port
from streams.processes.child import ask, log_tail, spawn
from streams.settings import (
    PREFIX,
    EnrichSettings,
    KafkaSettings,
    LakeSettings,
    ProduceSettings,
    Settings,
    load_settings,
    variables,
)

_FINISH_SECONDS = 20.0
_ASK_SECONDS = 0.3
_STORED = re.compile(r'^tagpulse_sink_rows_total\{run="live",sink="parquet"\} (\S+)$', re.MULTILINE)
# With longer sessions the embedded broker delays a new group longer; Apache Kafka rejects sessions this short.
_SESSIONS: dict[Kind, dict[str, float]] = {
    "embedded": {"session_timeout_seconds": 3.0, "heartbeat_seconds": 1.0},
    "apache": {},
}

State = Literal["waiting", "starting", "running", "done", "failed"]


@dataclass
class DemoProcess:
    """A process of the pipeline."""

    name: str
    arguments: tuple[str, ...]
    log: Path
    metrics_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    has_loaded: bool = False
    """Whether it answers on its metrics port; it may not have partitions yet."""
    is_ready: bool = False
    detail: str = ""
    """Why it is not ready."""

    @property
    def state(self) -> State:
        if self.process is None:
            return "waiting"
        code = self.process.poll()
        if code is None:
            return "running" if self.is_ready else "starting"
        return "failed" if code else "done"

    def fault(self) -> TagpulseError:
        """Return an error saying that this process stopped the demo, with the end of its log."""
        code = self.process.poll() if self.process else None
        ended = "makes no progress" if code is None else f"ended with {code}"
        return TagpulseError(f"`tagpulse {' '.join(self.arguments)}` {ended}:\n{log_tail(self.log)}")

    def look(self) -> None:
        """Update the readiness of a process that is starting."""
        if self.is_ready or self.state != "starting":
            return
        status, text = ask(f"{HOST}:{self.metrics_port}", "/readyz", _ASK_SECONDS)
        self.has_loaded = status != 0
        self.is_ready = status == HTTPStatus.OK
        self.detail = "" if self.is_ready else text.removeprefix("not ready: ").strip() or "loading"

    def scrape(self) -> str:
        """Return the metrics page of the process; empty while it does not answer."""
        status, text = ask(f"{HOST}:{self.metrics_port}", "/metrics", _ASK_SECONDS)
        return text if status == HTTPStatus.OK else ""


class Stage:
    """The broker, the producer and the workers; `folder` contains the logs, the lake and the data of the broker."""

    def __init__(self, folder: Path, kind: Kind, campaign: Path, *, speed: float | None) -> None:
        """Prepare the processes without starting them; `speed` is relative to real time, None means no pacing."""
        self.folder = folder
        self.kind = kind
        self.logs = folder / "logs"
        self.logs.mkdir(parents=True)
        self._temporary = folder / "tmp"
        self._temporary.mkdir()
        self.day = folder / "day.jsonl"
        self.broker: Broker = build_broker(kind, folder / "broker")
        # of the user's own settings only the model is used: the demo must not touch their topics
        self.settings = Settings.model_construct(
            campaign=campaign,
            kafka=KafkaSettings(bootstrap_servers=self.broker.bootstrap_servers, **_SESSIONS[kind]),
            # small batches, so that the first results come early and the view moves smoothly
            enrich=EnrichSettings(batch_size=64),
            produce=ProduceSettings(state_path=folder / "state"),
            model=load_settings().model,
            lake=LakeSettings(path=folder / "lake", flush_seconds=1.0),
        )
        pace = "max" if speed is None else f"{speed:g}"
        self.produce = self._part("produce", "produce", "file", str(self.day), "--speed", pace)
        self.enrich = self._part("enrich", "worker", "enrich")
        self.store = self._part("store", "worker", "store", "--sink", "parquet")

    @property
    def parts(self) -> tuple[DemoProcess, DemoProcess, DemoProcess]:
        return self.produce, self.enrich, self.store

    def start(self, part: DemoProcess) -> None:
        """Start one of the processes."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        environment |= self._variables() | {
            f"{PREFIX}METRICS__PORT": str(part.metrics_port),
            "TMPDIR": str(self._temporary),
        }
        part.process = spawn([sys.executable, "-m", "streams", *part.arguments], part.log, environment)

    def stored(self) -> int:
        """Return the number of rows stored durably according to the store worker; 0 while it does not answer."""
        found = _STORED.search(self.store.scrape())
        return int(float(found[1])) if found else 0

    def check(self) -> None:
        """Check that nothing has exited unexpectedly.

        Raises:
            TagpulseError: A process or the broker has.
        """
        for part in self.parts:
            if part.state == "failed" or (part.state == "done" and part is not self.produce):
                raise part.fault()
        if not self.broker.running:
            raise TagpulseError(f"the broker exited unexpectedly: {self.broker.log_tail()}")

    def finish(self) -> None:
        """Stop the workers gracefully: they finish what they have read.

        Raises:
            TagpulseError: A process did not finish, or failed.
        """
        workers = [part.process for part in (self.enrich, self.store) if part.process is not None]
        for process in workers:
            process.terminate()
        deadline = time.monotonic() + _FINISH_SECONDS
        for process in workers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
        for part in self.parts:
            if part.state != "done":
                raise part.fault()

    def close(self) -> None:
        """Kill every process at once; there is nothing to wait for, since the lake survives a crash."""
        for part in self.parts:
            if part.process is not None:
                part.process.kill()
                part.process.wait()
        self.broker.kill()

    def _part(self, name: str, *arguments: str) -> DemoProcess:
        return DemoProcess(name, arguments, self.logs / f"{name}.log")

    def _variables(self) -> dict[str, str]:
        """Return the settings that differ from the defaults, as environment variables."""
        defaults = Settings.model_construct()
        values = {
            name: (variable.value(self.settings), variable.value(defaults)) for name, variable in variables().items()
        }
        return {name: str(value) for name, (value, default) in values.items() if value != default}
