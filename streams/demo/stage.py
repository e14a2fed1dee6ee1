"""The processes of the demo: the broker, the producer and the workers, each with its log, all of them ended together."""

from __future__ import annotations

import contextlib
import http.client
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
from streams.processes.child import log_tail, spawn
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
# The embedded broker lets a new group wait longer the longer its sessions last; Apache Kafka refuses such short ones.
_SESSIONS: dict[Kind, dict[str, float]] = {
    "embedded": {"session_timeout_seconds": 3.0, "heartbeat_seconds": 1.0},
    "apache": {},
}

State = Literal["waiting", "starting", "running", "done", "failed"]


@dataclass
class Part:
    """A process of the pipeline."""

    name: str
    arguments: tuple[str, ...]
    log: Path
    metrics_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    has_loaded: bool = False
    """It answers on its metrics port, but may not have partitions yet."""
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
        """Why the demo cannot go on, with the end of this part's log."""
        code = self.process.poll() if self.process else None
        ended = "does not go on" if code is None else f"ended with {code}"
        return TagpulseError(f"`tagpulse {' '.join(self.arguments)}` {ended}:\n{log_tail(self.log)}")

    def look(self) -> None:
        """Asks a running part whether it is ready."""
        if self.is_ready or self.state != "starting":
            return
        status, text = self._ask("/readyz")
        self.has_loaded = status != 0
        self.is_ready = status == HTTPStatus.OK
        self.detail = "" if self.is_ready else text.removeprefix("not ready: ").strip() or "loading"

    def scrape(self) -> str:
        """Its metrics page; empty while it does not answer."""
        status, text = self._ask("/metrics")
        return text if status == HTTPStatus.OK else ""

    def _ask(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection(HOST, self.metrics_port, timeout=_ASK_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()


class Stage:
    """Everything that runs; `folder` holds the logs, the lake and what the broker keeps."""

    def __init__(self, folder: Path, kind: Kind, campaign: Path, *, speed: float | None) -> None:
        """`speed`: how many times faster than the day itself; None: as fast as it goes."""
        self.folder = folder
        self.kind = kind
        self.logs = folder / "logs"
        self.logs.mkdir(parents=True)
        self._temporary = folder / "tmp"
        self._temporary.mkdir()
        self.day = folder / "day.jsonl"
        self.broker: Broker = build_broker(kind, folder / "broker")
        # nothing of the user's own pipeline but the choice of the model: the demo must not touch their topics
        self.settings = Settings.model_construct(
            campaign=campaign,
            kafka=KafkaSettings(bootstrap_servers=self.broker.bootstrap_servers, **_SESSIONS[kind]),
            # small batches: the first answers come at once, and the view moves smoothly
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
    def parts(self) -> tuple[Part, Part, Part]:
        return self.produce, self.enrich, self.store

    def start(self, part: Part) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        environment |= self._variables() | {
            f"{PREFIX}METRICS__PORT": str(part.metrics_port),
            "TMPDIR": str(self._temporary),
        }
        part.process = spawn([sys.executable, "-m", "streams", *part.arguments], part.log, environment)

    def stored(self) -> int:
        """Rows that the store worker made durable, by its metrics; 0 while it does not answer."""
        found = _STORED.search(self.store.scrape())
        return int(float(found[1])) if found else 0

    def check(self) -> None:
        """Raises TagpulseError when a part or the broker ended by itself."""
        for part in self.parts:
            if part.state == "failed" or (part.state == "done" and part is not self.produce):
                raise part.fault()
        if not self.broker.running:
            raise TagpulseError(f"the broker ended by itself: {self.broker.log_tail()}")

    def finish(self) -> None:
        """Ends the workers as one does: they finish what they have read. Raises TagpulseError when one fails at that."""
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
        """Ends whatever runs, at once: nothing here is worth a wait, and the lake stands a crash."""
        for part in self.parts:
            if part.process is not None:
                part.process.kill()
                part.process.wait()
        self.broker.kill()

    def _part(self, name: str, *arguments: str) -> Part:
        return Part(name, arguments, self.logs / f"{name}.log")

    def _variables(self) -> dict[str, str]:
        """What differs from the defaults, as the environment of a process."""
        defaults = Settings.model_construct()
        values = {
            name: (variable.value(self.settings), variable.value(defaults)) for name, variable in variables().items()
        }
        return {name: str(value) for name, (value, default) in values.items() if value != default}
