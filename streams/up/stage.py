"""The processes of `tagpulse up` and of `tagpulse demo`, and the order in which they are started and stopped."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from pathlib import Path

from streams.contracts import utc_now
from streams.kafka import topics
from streams.processes.broker import Kind, build_broker
from streams.processes.postgres import Postgres
from streams.processes.process import TAGPULSE, State, stop
from streams.settings import PREFIX, KafkaSettings, Settings
from streams.up.monitoring import monitoring
from streams.up.mood import MoodMeter
from streams.up.part import Part
from streams.up.sample import recent_day, write_day

_STOP_SECONDS = 20.0
_ACKNOWLEDGED = "tagpulse_acknowledged_total"
STORED = "tagpulse_sink_rows_total"
# Settings that a trial replaces; all other settings of the user apply.
_OVERRIDDEN = ("KAFKA__", "TOPICS__", "METRICS__", "RUN", "PRODUCE__STATE_PATH", "LAKE__PATH", "POSTGRES__DSN", "LOG__")


@dataclass(frozen=True, kw_only=True)
class TrialOptions:
    """The options of a trial."""

    source: str = "sample"
    """`sample`, `bluesky`, or the path of a file of posts."""
    until: datetime | None = None
    """When the sample day ends; None means now."""
    tags: Sequence[str] = ()
    speed: float = 60.0
    """Speed of files relative to real time; inf means no pacing."""
    kind: Kind = "embedded"
    watch: bool = True
    postgres: bool = False
    monitoring: bool = True
    campaign: Path | None = None
    restart: bool = True
    """Whether processes that die are restarted; otherwise the trial ends with an error."""
    own_settings: bool = True
    """Whether the user's settings apply, and not only those of the model."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further settings, by the names of their variables without the prefix."""


class Up:
    """All processes of a trial, as a context manager that stops them."""

    def __init__(self, folder: Path, wanted: TrialOptions) -> None:
        """Prepare a trial; `folder` receives the logs, the lake and the data of the servers."""
        self.folder = folder
        self.wanted = wanted
        self.lake = folder / "lake"
        self.day = folder / "day.jsonl"
        self.broker = build_broker(wanted.kind, folder / "broker")
        self.settings = Settings.model_construct(kafka=KafkaSettings(bootstrap_servers=self.broker.bootstrap_servers))
        """The settings of the processes that are needed to use the topics."""
        self.mood = MoodMeter()
        self._logs = folder / "logs"
        self._logs.mkdir(parents=True)
        self._temporary = folder / "tmp"
        self._temporary.mkdir()
        self._postgres = Postgres(self._logs / "postgres.log") if wanted.postgres else None
        self.parts = self._parts()
        if wanted.monitoring:
            self.parts += monitoring(folder / "monitoring", list(self.parts))

    @property
    def states(self) -> list[State]:
        return [part.state for part in self.parts]

    def start(self) -> None:
        """Start everything.

        Raises:
            TagpulseError: Something cannot be started.
        """
        # first, because it takes longest to load; it waits for the topics
        self.part("enrich").start()
        self.broker.start()
        topics.create(self.settings)
        if self._postgres:
            self._postgres.start()
            self.part("store-postgres").environment[f"{PREFIX}POSTGRES__DSN"] = self._postgres.dsn
        if self.wanted.source == "sample":
            write_day(recent_day(self.wanted.until or utc_now()), self.day)
        for part in self.parts:
            if part.state == "waiting":
                part.start()

    def look(self) -> None:
        """Update the state of every process, and restart those that have died.

        Raises:
            TagpulseError: The trial cannot continue.
        """
        self.broker.check()
        for part in self.parts:
            part.look()
        self.mood.add(self.part("enrich").samples, time.monotonic())

    def part(self, name: str) -> Part:
        """Return the process with this name."""
        return next(part for part in self.parts if part.name == name)

    def urls(self) -> dict[str, str]:
        """Return the addresses of the servers and the path of the lake, for people and programs."""
        found = {"kafka": self.broker.bootstrap_servers, "lake": str(self.lake)}
        if self._postgres:
            found["postgres"] = self._postgres.dsn
        return found | {part.name: part.url for part in self.parts}

    def close(self) -> None:
        """Stop everything, the producer and the workers gracefully; no process is left running."""
        stop(self.parts, _STOP_SECONDS)
        if self._postgres:
            self._postgres.stop()
        self.broker.stop()

    def _parts(self) -> list[Part]:
        wanted = self.wanted
        parts = [
            self._part("produce", self._producer(), "tagpulse_produced_total", ends=wanted.source != "bluesky"),
            self._part("enrich", ("worker", "enrich")),
        ]
        if wanted.watch:
            parts.append(self._part("watch", ("worker", "watch")))
        for sink in ("parquet", "postgres") if wanted.postgres else ("parquet",):
            parts.append(self._part(f"store-{sink}", ("worker", "store", "--sink", sink), STORED))
        return parts

    def _producer(self) -> tuple[str, ...]:
        if self.wanted.source == "bluesky":
            return ("produce", "bluesky", *(argument for tag in self.wanted.tags for argument in ("--tag", tag)))
        path = self.day if self.wanted.source == "sample" else Path(self.wanted.source).resolve()
        speed = "max" if self.wanted.speed == inf else f"{self.wanted.speed:g}"
        return ("produce", "file", str(path), "--speed", speed)

    def _part(self, name: str, arguments: Sequence[str], counter: str = _ACKNOWLEDGED, *, ends: bool = False) -> Part:
        part = Part(
            name,
            (*TAGPULSE, *arguments),
            self._logs / f"{name}.log",
            self._environment(),
            counter=counter,
            restart=self.wanted.restart,
            ends=ends,
        )
        part.environment[f"{PREFIX}METRICS__PORT"] = str(part.port)
        return part

    def _environment(self) -> dict[str, str]:
        values = {
            "KAFKA__BOOTSTRAP_SERVERS": self.broker.bootstrap_servers,
            # with longer sessions, the embedded broker delays a new group longer
            "KAFKA__SESSION_TIMEOUT_SECONDS": "6",
            "KAFKA__HEARTBEAT_SECONDS": "2",
            "PRODUCE__STATE_PATH": str(self.folder / "state"),
            "LAKE__PATH": str(self.lake),
            **self.wanted.settings,
        }
        if self.wanted.campaign is not None:
            values["CAMPAIGN"] = str(self.wanted.campaign)
        kept = {name: value for name, value in os.environ.items() if self._is_kept(name)}
        # in a folder of the trial, so that nothing remains of processes that are killed
        return kept | {PREFIX + name: value for name, value in values.items()} | {"TMPDIR": str(self._temporary)}

    def _is_kept(self, variable: str) -> bool:
        name = variable.removeprefix(PREFIX)
        if name == variable:
            return True
        return not name.startswith(_OVERRIDDEN) if self.wanted.own_settings else name.startswith("MODEL__")

    def __enter__(self) -> Up:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
