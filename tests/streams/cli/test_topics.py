"""`tagpulse topics`, run as a subprocess: its output and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

from streams.processes.broker import Broker, build_broker, free_port
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.helpers.brokers import own_settings
from tests.helpers.processes import Tagpulse, run_tagpulse, wait_until


def test_create_check_and_list(settings: Settings) -> None:
    created = run_tagpulse("topics", "create", settings=settings)
    again = run_tagpulse("topics", "create", "--json", settings=settings)
    checked = run_tagpulse("topics", "check", settings=settings)
    listed = run_tagpulse("topics", "list", "--json", settings=settings)

    assert created.returncode == 0, created.stderr
    assert f"{settings.topics.raw}: created" in created.stdout
    assert json.loads(again.stdout)["created"] == []
    assert (checked.returncode, checked.stdout) == (0, "the topics match the settings\n")
    mine = {topic["name"]: topic for topic in map(json.loads, listed.stdout.splitlines())}
    assert mine[settings.topics.raw] == {
        "name": settings.topics.raw, "role": "raw", "partitions": 4, "replication": 1, "records": 0,
    }  # fmt: skip


def test_check_fails_on_differences(embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(embedded_broker)
    missing = run_tagpulse("topics", "check", settings=settings)
    as_json = run_tagpulse("topics", "check", "--json", settings=settings)
    assert (missing.returncode, as_json.returncode) == (1, 1)
    assert f"{settings.topics.dead}: topic is missing, wanted present" in missing.stdout
    assert {difference["found"] for difference in json.loads(as_json.stdout)["differences"]} == {"missing"}


def test_a_closed_port_is_reported_at_once(tmp_path: Path) -> None:
    settings = own_settings(f"127.0.0.1:{free_port()}", tmp_path)
    done = run_tagpulse("topics", "create", settings=settings, timeout=10)
    assert done.returncode == 69
    assert done.stderr.startswith("tagpulse: 127.0.0.1:")
    assert "nothing listens there" in done.stderr


def test_it_waits_for_a_broker_that_is_still_starting(tmp_path: Path) -> None:
    port = free_port()
    settings = own_settings(f"127.0.0.1:{port}", tmp_path)
    with Tagpulse("topics", "create", "--wait", "60", settings=settings, folder=tmp_path) as creating:
        wait_until(lambda: "nothing listens there" in creating.stderr, 30, "the first attempt has failed")
        with build_broker("embedded", tmp_path / "broker", port):
            assert creating.wait(60) == 0
    assert f"{settings.topics.raw}: created" in creating.stdout
