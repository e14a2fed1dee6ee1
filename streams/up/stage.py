"""The processes of `tagpulse up`, and the order in which they are started and stopped."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from streams.contracts import utc_now
from streams.errors import Unavailable
from streams.kafka import topics
from streams.processes.broker import EmbeddedBroker
from streams.processes.postgres import Postgres
from streams.settings import PREFIX, KafkaSettings, Settings
from streams.up.monitoring import monitoring
from streams.up.mood import MoodMeter
from streams.up.process import ManagedProcess
from streams.up.sample import write_recent_day

_STOP_SECONDS = 20.0
_COUNTERS = {
    "produce": "tagpulse_produced_total",
    "store-parquet": "tagpulse_sink_rows_total",
    "store-postgres": "tagpulse_sink_rows_total",
}
_ACKNOWLEDGED = "tagpulse_acknowledged_total"
# Settings that a trial replaces; all other settings of the user apply.
_OVERRIDDEN = ("KAFKA__", "TOPICS__", "METRICS__", "RUN", "PRODUCE__STATE_PATH", "LAKE__PATH", "POSTGRES__DSN", "LOG__")


@dataclass(frozen=True, kw_only=True)
class TrialOptions:
    """The options of a trial."""

    source: str
    """`sample`, `bluesky`, or the path of a file of posts."""
    tags: Sequence[str] = ()
    speed: str = "60"
    postgres: bool = False
    monitoring: bool = True
    campaign: Path | None = None


class Up:
    """All processes of a trial, as a context manager that stops them."""

    def __init__(self, folder: Path, wanted: TrialOptions) -> None:
        """Prepare a trial; `folder` receives the logs, the lake and the data of the servers."""
        self.folder = folder
        self.wanted = wanted
        self.lake = folder / "lake"
        self.broker = EmbeddedBroker(folder / "broker")
        self.mood = MoodMeter()
        self.parts: list[ManagedProcess] = []
        self.started_at: datetime = utc_now()
        (folder / "logs").mkdir(parents=True)
        self._postgres = Postgres(folder / "logs" / "postgres.log") if wanted.postgres else None

    def start(self) -> None:
        """Start everything.

        Raises:
            TagpulseError: Something cannot be started.
        """
        environment = self._environment()
        self.broker.start()
        if self._postgres:
            self._postgres.start()
            environment[f"{PREFIX}POSTGRES__DSN"] = self._postgres.dsn
        topics.create(self._settings())
        self.parts = [self._part(name, arguments, environment) for name, arguments in self._workers()]
        self.parts.append(self._part("produce", self._producer(), environment, ends=self.wanted.source != "bluesky"))
        if self.wanted.monitoring:
            self.parts += monitoring(self.folder / "monitoring", list(self.parts))
        for part in self.parts:
            part.start()

    def look(self) -> None:
        """Update the state of every process, and restart those that have died.

        Raises:
            TagpulseError: The trial cannot continue.
        """
        if not self.broker.running:
            raise Unavailable(
                f"the broker exited unexpectedly, and the data that it kept in memory is lost: {self.broker.log_tail()}"
            )
        for part in self.parts:
            part.look("" if part.ready != "/readyz" else _COUNTERS.get(part.name, _ACKNOWLEDGED))
        self.mood.add(self.part("enrich").samples, time.monotonic())

    def part(self, name: str) -> ManagedProcess:
        """Return the process with this name."""
        return next(part for part in self.parts if part.name == name)

    def urls(self) -> dict[str, str]:
        """Return the addresses of the servers and the path of the lake, for people and programs."""
        found = {"kafka": self.broker.bootstrap_servers, "lake": str(self.lake)}
        if self._postgres:
            found["postgres"] = self._postgres.dsn
        for part in self.parts:
            found[part.name] = part.url if part.ready != "/readyz" else f"{part.url}/metrics"
        return found

    def close(self) -> None:
        """Stop everything, the producer and the workers gracefully; no process is left running."""
        for part in reversed(self.parts):
            part.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        for part in self.parts:
            part.end(deadline - time.monotonic())
        if self._postgres:
            self._postgres.stop()
        self.broker.stop()

    def _workers(self) -> list[tuple[str, tuple[str, ...]]]:
        workers: list[tuple[str, tuple[str, ...]]] = [
            ("enrich", ("worker", "enrich")),
            ("watch", ("worker", "watch")),
            ("store-parquet", ("worker", "store", "--sink", "parquet")),
        ]
        if self.wanted.postgres:
            workers.append(("store-postgres", ("worker", "store", "--sink", "postgres")))
        return workers

    def _producer(self) -> tuple[str, ...]:
        tags = [argument for tag in self.wanted.tags for argument in ("--tag", tag)]
        match self.wanted.source:
            case "bluesky":
                return ("produce", "bluesky", *tags)
            case "sample":
                day = self.folder / "day.jsonl"
                write_recent_day(day, self.started_at)
                return ("produce", "file", str(day), "--speed", self.wanted.speed)
            case path:
                return ("produce", "file", str(Path(path).resolve()), "--speed", self.wanted.speed)

    def _part(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], *, ends: bool = False
    ) -> ManagedProcess:
        command = (sys.executable, "-m", "streams", *arguments)
        part = ManagedProcess(name, command, self.folder / "logs" / f"{name}.log", {}, ends=ends)
        part.environment = {**environment, f"{PREFIX}METRICS__PORT": str(part.port)}
        return part

    def _overrides(self) -> dict[str, str]:
        values = {
            "KAFKA__BOOTSTRAP_SERVERS": self.broker.bootstrap_servers,
            # with longer sessions, the embedded broker delays a new group longer
            "KAFKA__SESSION_TIMEOUT_SECONDS": "6",
            "KAFKA__HEARTBEAT_SECONDS": "2",
            "PRODUCE__STATE_PATH": str(self.folder / "state"),
            "LAKE__PATH": str(self.lake),
        }
        if self.wanted.campaign is not None:
            values["CAMPAIGN"] = str(self.wanted.campaign)
        return {PREFIX + name: value for name, value in values.items()}

    def _environment(self) -> dict[str, str]:
        def is_overridden(name: str) -> bool:
            return name.startswith(tuple(PREFIX + overridden for overridden in _OVERRIDDEN))

        return {name: value for name, value in os.environ.items() if not is_overridden(name)} | self._overrides()

    def _settings(self) -> Settings:
        """Return those settings of the processes that are needed to create the topics."""
        return Settings.model_construct(kafka=KafkaSettings(bootstrap_servers=self.broker.bootstrap_servers))

    def __enter__(self) -> Up:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
