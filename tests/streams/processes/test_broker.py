"""Brokers: they start, stop and keep their data, and no process is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from streams.errors import SettingsError, Unavailable
from streams.kafka import connection
from streams.processes.broker import ApacheBroker, Broker, EmbeddedBroker, build_broker, free_port
from streams.settings import KafkaSettings, Settings
from tests.conftest import SettingsFactory
from tests.helpers.processes import Tagpulse, children, is_alive, wait_until
from tests.helpers.records import by_key, count, produce, read_all


def _create(kafka: KafkaSettings, topic: str) -> None:
    admin = KafkaAdminClient(**connection.kafka_python(kafka))
    admin.create_topics({topic: {"num_partitions": 2, "replication_factor": 1}}, wait_for_metadata=True)
    admin.close()


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


def test_records_go_in_and_come_out(settings: Settings) -> None:
    topic = settings.topics.raw
    _create(settings.kafka, topic)

    produce(
        settings.kafka, topic, [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")], headers=[("h", b"v")], timestamp_ms=1_000
    )

    records = by_key(read_all(settings.kafka, topic))
    assert {key: [record.value for record in found] for key, found in records.items()} == {
        b"a": [b"1", b"3"],
        b"b": [b"2"],
    }
    assert all(record.headers == [("h", b"v")] and record.timestamp == 1_000 for record in records[b"a"])


async def test_apache_keeps_its_data_and_port_when_it_is_killed(fresh_apache_broker: Broker) -> None:
    kafka = KafkaSettings(bootstrap_servers=fresh_apache_broker.bootstrap_servers)
    _create(kafka, "kept")
    produce(kafka, "kept", [(b"key", b"value")])
    first = fresh_apache_broker.pid

    fresh_apache_broker.kill()
    assert not fresh_apache_broker.running
    with pytest.raises(Unavailable):
        await connection.probe(kafka)
    fresh_apache_broker.start()

    assert fresh_apache_broker.pid != first
    assert [record.value for record in read_all(kafka, "kept")] == [b"value"]


async def test_a_frozen_broker_does_not_answer_until_it_is_resumed(fresh_embedded_broker: Broker) -> None:
    kafka = KafkaSettings(bootstrap_servers=fresh_embedded_broker.bootstrap_servers)
    fresh_embedded_broker.suspend()
    with pytest.raises(Unavailable, match="nothing answers in time"):
        await connection.probe(kafka, timeout=0.5)
    fresh_embedded_broker.resume()
    await connection.probe(kafka)


@needs_proc
def test_a_frozen_broker_can_be_stopped(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path) as broker:
        pid = broker.pid
        broker.suspend()
    assert not is_alive(pid)


def test_a_port_in_use_is_named(embedded_broker: Broker, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=f"{embedded_broker.bootstrap_servers} is in use"):
        EmbeddedBroker(tmp_path, embedded_broker.port).start()


def test_a_broker_that_dies_during_startup_shows_its_log(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name, script in {"kafka-storage.sh": "exit 0", "kafka-server-start.sh": "echo no memory today; exit 3"}.items():
        path = home / "bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    with pytest.raises(Unavailable, match=r"(?s)exited during startup with code 3: .*no memory today"):
        ApacheBroker(tmp_path / "data", home=home).start()


def test_a_broker_that_is_not_ready_in_time_is_ended(apache_home: Path, tmp_path: Path) -> None:
    broker = ApacheBroker(tmp_path, home=apache_home)
    with pytest.raises(Unavailable, match=r"not ready within 0\.1 s"):
        broker.start(timeout=0.1)
    assert not broker.running


def test_apache_needs_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KAFKA_HOME", raising=False)
    with pytest.raises(SettingsError, match="KAFKA_HOME is not set"):
        build_broker("apache", tmp_path)
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path))
    with pytest.raises(SettingsError, match=r"does not contain bin/kafka-storage\.sh"):
        build_broker("apache", tmp_path).start()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_the_broker_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from streams.processes.broker import EmbeddedBroker\n"
        "print(EmbeddedBroker(Path(sys.argv[1])).start().pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as owner:
        assert owner.stdout
        pid = int(owner.stdout.readline())
        assert is_alive(pid)
        owner.kill()
    wait_until(lambda: not is_alive(pid), 5)


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_asked_to_end(
    number: signal.Signals, embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    port = free_port()
    kafka = KafkaSettings(bootstrap_servers=f"127.0.0.1:{port}")
    settings = settings_for(embedded_broker)
    with Tagpulse(
        "broker", "--port", str(port), "--data", tmp_path / "d", settings=settings, folder=tmp_path
    ) as command:
        wait_until(lambda: f"TAGPULSE_KAFKA__BOOTSTRAP_SERVERS=127.0.0.1:{port}" in command.stdout)
        _create(kafka, "topic")
        assert count(kafka, "topic") == 0
        brokers = children(command.pid)
        os.kill(command.pid, number)
        assert command.wait(10) == 0
    assert not any(map(is_alive, brokers))


@needs_proc
def test_the_command_says_when_the_broker_dies(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings, port = settings_for(embedded_broker), free_port()
    with Tagpulse("broker", "--port", str(port), settings=settings, folder=tmp_path) as command:
        wait_until(lambda: "broker ready" in command.stdout)
        brokers = children(command.pid)
        os.kill(brokers[0], signal.SIGKILL)
        assert command.wait(10) == 69
        assert "the broker exited unexpectedly" in command.stderr
