"""Everything that `tagpulse up` runs, in the order in which it starts and ends."""

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
from streams.up.part import Part
from streams.up.sample import write_recent_day

_STOP_SECONDS = 20.0
_COUNTERS = {
    "produce": "tagpulse_produced_total",
    "store-parquet": "tagpulse_sink_rows_total",
    "store-postgres": "tagpulse_sink_rows_total",
}
_ACKNOWLEDGED = "tagpulse_acknowledged_total"
# What a trial has of its own; every other setting of the user holds.
_OWN = ("KAFKA__", "TOPICS__", "METRICS__", "RUN", "PRODUCE__STATE_PATH", "LAKE__PATH", "POSTGRES__DSN", "LOG__")


@dataclass(frozen=True, kw_only=True)
class TrialOptions:
    """What the trial is of."""

    source: str
    """`sample`, `bluesky` or the path of a file of posts."""
    tags: Sequence[str] = ()
    speed: str = "60"
    postgres: bool = False
    monitoring: bool = True
    campaign: Path | None = None


class Up:
    """All processes; `folder` holds the logs, the lake and what the servers keep. Use it as a context."""

    def __init__(self, folder: Path, wanted: TrialOptions) -> None:
        self.folder = folder
        self.wanted = wanted
        self.lake = folder / "lake"
        self.broker = EmbeddedBroker(folder / "broker")
        self.mood = MoodMeter()
        self.parts: list[Part] = []
        self.started_at: datetime = utc_now()
        (folder / "logs").mkdir(parents=True)
        self._postgres = Postgres(folder / "logs" / "postgres.log") if wanted.postgres else None

    def start(self) -> None:
        """Starts everything. Raises TagpulseError when something cannot start at all."""
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
        """Asks every part how it is, and starts again what died. Raises TagpulseError when the whole cannot go on."""
        if not self.broker.running:
            raise Unavailable(
                f"the broker ended by itself, and with it all that was in memory: {self.broker.log_tail()}"
            )
        for part in self.parts:
            part.look("" if part.ready != "/readyz" else _COUNTERS.get(part.name, _ACKNOWLEDGED))
        self.mood.add(self.part("enrich").samples, time.monotonic())

    def part(self, name: str) -> Part:
        return next(part for part in self.parts if part.name == name)

    def urls(self) -> dict[str, str]:
        """Where a person or a program can look."""
        found = {"kafka": self.broker.bootstrap_servers, "lake": str(self.lake)}
        if self._postgres:
            found["postgres"] = self._postgres.dsn
        for part in self.parts:
            found[part.name] = part.url if part.ready != "/readyz" else f"{part.url}/metrics"
        return found

    def close(self) -> None:
        """Ends everything, the producer and the workers as one does; nothing is left running."""
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

    def _part(self, name: str, arguments: Sequence[str], environment: Mapping[str, str], *, ends: bool = False) -> Part:
        command = (sys.executable, "-m", "streams", *arguments)
        part = Part(name, command, self.folder / "logs" / f"{name}.log", {}, ends=ends)
        part.environment = {**environment, f"{PREFIX}METRICS__PORT": str(part.port)}
        return part

    def _own(self) -> dict[str, str]:
        own = {
            "KAFKA__BOOTSTRAP_SERVERS": self.broker.bootstrap_servers,
            # the embedded broker lets a new group wait longer the longer its sessions last
            "KAFKA__SESSION_TIMEOUT_SECONDS": "6",
            "KAFKA__HEARTBEAT_SECONDS": "2",
            "PRODUCE__STATE_PATH": str(self.folder / "state"),
            "LAKE__PATH": str(self.lake),
        }
        if self.wanted.campaign is not None:
            own["CAMPAIGN"] = str(self.wanted.campaign)
        return {PREFIX + name: value for name, value in own.items()}

    def _environment(self) -> dict[str, str]:
        def is_own(name: str) -> bool:
            return name.startswith(tuple(PREFIX + own for own in _OWN))

        return {name: value for name, value in os.environ.items() if not is_own(name)} | self._own()

    def _settings(self) -> Settings:
        """Those of the children, as far as topics are made with them."""
        return Settings.model_construct(kafka=KafkaSettings(bootstrap_servers=self.broker.bootstrap_servers))

    def __enter__(self) -> Up:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
