"""Brokers and settings for the tests. Each test writes to topics and groups of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import hypothesis
import pytest

import models.backends  # noqa: F401 - before any test imports OpenVINO, which would report its use
from streams.processes.broker import ApacheBroker, Broker, EmbeddedBroker
from streams.settings import PREFIX, Settings
from tests.faults.proofs import FULL_GROWTHS, FULL_ROUNDS
from tests.helpers.alertmanager import Alertmanager
from tests.helpers.brokers import kafka_home, own_settings
from tests.helpers.postgres import PostgresServer

# the time that an example takes depends more on the load of the machine than on the code
hypothesis.settings.register_profile("default", deadline=None)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("proofs of tests/faults")
    group.addoption(
        "--full-proofs", action="store_true", help="run only the proofs, at the size that docs/proofs.md reports"
    )
    group.addoption("--kills", type=int, default=100, metavar="N", help="for --full-proofs, with 1,000 posts each")
    group.addoption("--soak-minutes", type=float, default=30.0, metavar="N", help="for --full-proofs")
    for name, full in (("rounds", FULL_ROUNDS), ("growths", FULL_GROWTHS)):
        group.addoption(
            f"--{name}",
            type=int,
            metavar="N",
            help=f"number of seeds, except those already in the --proofs file; {full} with --full-proofs, else a few",
        )
    group.addoption("--first-seed", type=int, default=0, metavar="N", help="for --rounds and --growths")
    group.addoption("--proofs", type=Path, metavar="FILE", help="append each result to this file as a line")


class SettingsFactory(Protocol):
    """Make settings for a broker with topics, groups and folders for this test; keywords are sections as dictionaries."""

    def __call__(self, broker: Broker, **sections: dict[str, Any]) -> Settings: ...


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def embedded_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Start one embedded broker, which keeps its data in memory, for the whole run."""
    with EmbeddedBroker(tmp_path_factory.mktemp("embedded-broker")) as broker:
        yield broker


@pytest.fixture(scope="session")
def apache_home() -> Path:
    """Return the folder of Apache Kafka: KAFKA_HOME, else `../shared/kafka`. Skip the test if it is missing."""
    return kafka_home()


@pytest.fixture(scope="session")
def apache_broker(apache_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Start one Apache Kafka for the whole run. Skip the test if it is not installed."""
    with ApacheBroker(tmp_path_factory.mktemp("apache-broker"), home=apache_home) as broker:
        yield broker


@pytest.fixture(scope="session", params=["embedded", "apache"])
def broker(request: pytest.FixtureRequest) -> Broker:
    """Return both brokers in turn. Tests must not stop them: see `fresh_embedded_broker` and `fresh_apache_broker`."""
    chosen: Broker = request.getfixturevalue(f"{request.param}_broker")
    return chosen


@pytest.fixture
def fresh_embedded_broker(tmp_path: Path) -> Iterator[Broker]:
    """Start an embedded broker that this test may stop, kill and freeze; it is empty after a restart."""
    with EmbeddedBroker(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def fresh_apache_broker(apache_home: Path, tmp_path: Path) -> Iterator[Broker]:
    """Start an Apache Kafka that this test may stop, kill, freeze and restart with the same data."""
    with ApacheBroker(tmp_path / "broker", home=apache_home) as broker:
        yield broker


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Start one PostgreSQL for the whole run. Tests must not stop it: see `fresh_postgres`."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def fresh_postgres() -> Iterator[PostgresServer]:
    """Start a PostgreSQL that this test may stop, kill and restart with the same data."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def dsn(postgres: PostgresServer) -> str:
    """Return the DSN of an empty database for this test alone; its user is the superuser."""
    return postgres.new_database()


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    """Start a real Alertmanager for this test alone, without a receiver. Skip the test if it is not installed."""
    with Alertmanager(tmp_path / "alertmanager") as server:
        yield server


@pytest.fixture
def settings_for(tmp_path: Path) -> SettingsFactory:
    """Return a factory of settings: `settings_for(fresh_apache_broker, topics={"partitions": 2})`."""

    def make(broker: Broker, **sections: dict[str, Any]) -> Settings:
        return own_settings(broker.bootstrap_servers, tmp_path, **sections)

    return make


@pytest.fixture
def settings(broker: Broker, settings_for: SettingsFactory) -> Settings:
    """Return settings for both brokers in turn; the topics are named, but not created."""
    return settings_for(broker)
