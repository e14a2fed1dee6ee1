"""Brokers and settings of the tests. What a test writes stands in topics and groups of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import hypothesis
import pytest

from streams.processes.broker import ApacheBroker, Broker, EmbeddedBroker
from streams.settings import PREFIX, Settings
from tests.faults.proofs import FULL_GROWTHS, FULL_ROUNDS
from tests.helpers.alertmanager import Alertmanager
from tests.helpers.brokers import kafka_home, own_settings
from tests.helpers.postgres import PostgresServer

# How long an example takes says more about the machine's load than about the code.
hypothesis.settings.register_profile("default", deadline=None)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("proofs of tests/faults")
    group.addoption("--full-proofs", action="store_true", help="these alone, as large as docs/proofs.md tells of")
    group.addoption("--kills", type=int, default=100, metavar="N", help="of --full-proofs, each with 1,000 posts")
    group.addoption("--soak-minutes", type=float, default=30.0, metavar="N", help="of --full-proofs")
    for name, full in (("rounds", FULL_ROUNDS), ("growths", FULL_GROWTHS)):
        group.addoption(
            f"--{name}",
            type=int,
            metavar="N",
            help=f"by seed, without those that the file of --proofs has; default {full} in full, else a few",
        )
    group.addoption("--first-seed", type=int, default=0, metavar="N", help="of --rounds and --growths")
    group.addoption("--proofs", type=Path, metavar="FILE", help="add what the proofs found to this file, a line each")


class SettingsFactory(Protocol):
    """Settings for a broker with topics, groups and folders of this test; keywords are sections, as dictionaries."""

    def __call__(self, broker: Broker, **sections: dict[str, Any]) -> Settings: ...


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def embedded_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The embedded broker, one for the whole run: in memory."""
    with EmbeddedBroker(tmp_path_factory.mktemp("embedded-broker")) as broker:
        yield broker


@pytest.fixture(scope="session")
def apache_home() -> Path:
    """The folder of Apache Kafka: KAFKA_HOME, else `../shared/kafka`. Skips where there is none."""
    return kafka_home()


@pytest.fixture(scope="session")
def apache_broker(apache_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Apache Kafka, one for the whole run. Skips where there is none."""
    with ApacheBroker(tmp_path_factory.mktemp("apache-broker"), home=apache_home) as broker:
        yield broker


@pytest.fixture(scope="session", params=["embedded", "apache"])
def broker(request: pytest.FixtureRequest) -> Broker:
    """Both brokers in turn. Tests must not stop it: see `fresh_embedded_broker` and `fresh_apache_broker`."""
    chosen: Broker = request.getfixturevalue(f"{request.param}_broker")
    return chosen


@pytest.fixture
def fresh_embedded_broker(tmp_path: Path) -> Iterator[Broker]:
    """An embedded broker that this test may stop, kill and freeze; a restart starts empty."""
    with EmbeddedBroker(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def fresh_apache_broker(apache_home: Path, tmp_path: Path) -> Iterator[Broker]:
    """An Apache Kafka that this test may stop, kill, freeze and start again with the same data. Skips without one."""
    with ApacheBroker(tmp_path / "broker", home=apache_home) as broker:
        yield broker


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """PostgreSQL, one for the whole run. Tests must not stop it: see `fresh_postgres`."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def fresh_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that this test may stop, kill and start again with the same data."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def dsn(postgres: PostgresServer) -> str:
    """The DSN of an empty database of this test's own, its user the superuser."""
    return postgres.new_database()


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    """A real Alertmanager of this test's own, without a receiver. Skips where there is none."""
    with Alertmanager(tmp_path / "alertmanager") as server:
        yield server


@pytest.fixture
def settings_for(tmp_path: Path) -> SettingsFactory:
    """Makes settings for a broker: `settings_for(fresh_apache_broker, topics={"partitions": 2})`."""

    def make(broker: Broker, **sections: dict[str, Any]) -> Settings:
        return own_settings(broker.bootstrap_servers, tmp_path, **sections)

    return make


@pytest.fixture
def settings(broker: Broker, settings_for: SettingsFactory) -> Settings:
    """Settings for both brokers in turn; the topics are named, but not created."""
    return settings_for(broker)
