"""The location of Apache Kafka, and settings that share nothing with other tests."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from streams.processes.broker import HOST, KAFKA_HOME_VARIABLE, ApacheBroker, free_port
from streams.settings import ROLES, Settings
from tests.helpers.line import Line

ROOT = Path(__file__).resolve().parents[2]


def kafka_home() -> Path:
    """Return the folder of Apache Kafka: KAFKA_HOME, else `../shared/kafka`. Skip the test if it or Java is missing."""
    home = Path(os.environ.get(KAFKA_HOME_VARIABLE) or ROOT.parent / "shared" / "kafka")
    if not (home / "bin" / "kafka-server-start.sh").is_file():
        pytest.skip(f"Apache Kafka was not found: set {KAFKA_HOME_VARIABLE}")
    java = Path(os.environ["JAVA_HOME"]) / "bin" / "java" if "JAVA_HOME" in os.environ else Path("java")
    if not shutil.which(java):
        pytest.skip("Apache Kafka needs Java, which is not installed")
    return home


def own_settings(bootstrap_servers: str, folder: Path, **sections: dict[str, Any]) -> Settings:
    """Return settings with new names of topics and groups, folders below `folder`, and any free port for metrics."""
    name = uuid.uuid4().hex[:8]
    own: dict[str, dict[str, Any]] = {
        "kafka": {"bootstrap_servers": bootstrap_servers, "group_prefix": f"test-{name}"},
        "topics": {role: f"{role}-{name}" for role in ROLES},
        "produce": {"state_path": folder / "state"},
        "lake": {"path": folder / "lake"},
        "metrics": {"port": 0},
    }
    merged: dict[str, Any] = {name: own.get(name, {}) | sections.get(name, {}) for name in own | sections}
    return Settings(**merged)


@contextmanager
def broker_behind_line(folder: Path, home: Path) -> Iterator[tuple[ApacheBroker, Line]]:
    """Start a broker with a second listener, whose clients all connect through a line."""
    port, controller, behind = free_port(), free_port(), free_port()
    line = Line(behind)
    ports = {"PLAINTEXT": port, "LINE": behind, "CONTROLLER": controller}
    config = {
        "listeners": ",".join(f"{name}://{HOST}:{number}" for name, number in ports.items()),
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port},LINE://{HOST}:{line.port}",
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in ports),
        "controller.quorum.voters": f"1@{HOST}:{controller}",
    }
    with ApacheBroker(folder, port, home=home, config=config) as broker:
        yield broker, line
        line.close()
