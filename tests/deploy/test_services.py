"""Tests of the settings of third-party containers with the same programs: Kafka's settings, PostgreSQL's first start."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from streams.kafka import topics
from streams.processes.broker import HOST, free_port
from streams.settings import Settings
from tests.helpers.brokers import ROOT
from tests.helpers.compose import compose, secret_files
from tests.helpers.postgres import PostgresServer, binaries
from tests.helpers.processes import run_tagpulse, wait_until

INIT = ROOT / "deploy" / "docker" / "postgres-init.sh"
PASSWORDS = ("postgres_writer_password", "grafana_postgres_password")


def _properties(environment: dict[str, str]) -> dict[str, str]:
    """Return the properties that the image of Apache Kafka derives from its environment."""
    kafka = {
        name: value for name, value in environment.items() if name.startswith("KAFKA_") and name != "KAFKA_HEAP_OPTS"
    }
    return {name.removeprefix("KAFKA_").lower().replace("_", "."): value for name, value in kafka.items()}


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


@pytest.mark.slow
def test_kafka_starts_with_its_settings_and_accepts_the_topics(apache_home: Path, tmp_path: Path) -> None:
    environment: dict[str, str] = compose()["services"]["kafka"]["environment"]
    client, controller = free_port(), free_port()
    properties = _properties(environment)
    for name, value in properties.items():
        ours = value.replace("9092", str(client)).replace("9093", str(controller)).replace("kafka:", f"{HOST}:")
        properties[name] = ours.replace("://:", f"://{HOST}:").replace("localhost", HOST)
    assert str(client) in properties["advertised.listeners"]
    properties["log.dirs"] = str(tmp_path / "data")
    path = tmp_path / "server.properties"
    path.write_text("\n".join(f"{name}={value}" for name, value in properties.items()))
    own = os.environ | {"LOG_DIR": str(tmp_path / "logs"), "KAFKA_HEAP_OPTS": environment["KAFKA_HEAP_OPTS"]}
    program = apache_home / "bin" / "kafka-storage.sh"
    storage: list[str | Path] = [program, "format", "-t", environment["CLUSTER_ID"], "-c", path]
    subprocess.run(storage, env=own, check=True, capture_output=True)
    settings = Settings(kafka={"bootstrap_servers": f"{HOST}:{client}"})

    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [apache_home / "bin" / "kafka-server-start.sh", path],
            env=own,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until(
            lambda: run_tagpulse("topics", "create", settings=settings).returncode == 0, 60, "the topics are created"
        )
        assert topics.check(settings).differences == ()
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[PostgresServer]:
    secrets = tmp_path / "secrets"
    secret_files(secrets)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "psql").symlink_to(binaries() / "psql")
    script = tmp_path / "init.sh"
    script.write_text(INIT.read_text().replace("/run/secrets", str(secrets)))
    with PostgresServer() as server:
        connection = {"PGHOST": HOST, "PGPORT": str(server.port), "POSTGRES_USER": "postgres"}
        path = f"{tools}{os.pathsep}{os.environ['PATH']}"
        bash = shutil.which("bash")
        assert bash
        subprocess.run([bash, script], env=os.environ | connection | {"PATH": path}, check=True, capture_output=True)
        yield server


def test_tagpulse_owns_the_database_and_grafana_can_only_read(database: PostgresServer, tmp_path: Path) -> None:
    settings = Settings(postgres={"dsn": database.dsn("tagpulse", "tagpulse")})
    done = run_tagpulse("postgres", "migrate", settings=settings)
    assert done.returncode == 0, done.stderr

    with psycopg.connect(database.dsn("tagpulse", "grafana"), autocommit=True) as reader:
        assert reader.execute("select count(*) from posts").fetchone() == (0,)
        for forbidden in ("delete from stored_posts", "create table t (a int)", "create temporary table t (a int)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(forbidden.encode())
    hashed = database.execute("select rolname, rolpassword from pg_authid where rolname in ('tagpulse', 'grafana')")
    assert {str(name): str(password).split("$")[0] for name, password in hashed} == {
        "tagpulse": "SCRAM-SHA-256",
        "grafana": "SCRAM-SHA-256",
    }


def test_every_password_that_is_used_is_mounted() -> None:
    asked = set(re.findall(r"/run/secrets/(\w+)", INIT.read_text()))
    mounted = {secret["source"] for secret in compose()["services"]["postgres"]["secrets"]}
    assert asked == set(PASSWORDS)
    assert asked < mounted
