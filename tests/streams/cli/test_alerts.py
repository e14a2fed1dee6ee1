"""`tagpulse alerts`, run as a subprocess."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streams.contracts import encode
from streams.kafka import topics
from streams.processes.broker import Broker
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.helpers.alertmanager import LOGIN, Alertmanager
from tests.helpers.processes import run_tagpulse, wait_until
from tests.helpers.records import produce
from tests.helpers.spikes import hostile_spike, spike
from tests.helpers.webhooks import Reply, WebhookServer


def _settings(**alerts: Any) -> Settings:
    return Settings(kafka={"bootstrap_servers": "127.0.0.1:1"}, alerts=alerts)


def test_a_sample_and_its_end_reach_alertmanager_and_webhooks(tmp_path: Path) -> None:
    with (
        WebhookServer() as server,
        WebhookServer() as receiver,
        Alertmanager(tmp_path / "am", receiver.url) as alertmanager,
    ):
        settings = _settings(
            alertmanager_url=alertmanager.url,
            webhook_url=server.url,
            webhooks=({"name": "shift", "url": server.url, "format": "teams"},),
        )
        done = run_tagpulse("alerts", "test", "--hold", "2", "--json", settings=settings)
        assert done.returncode == 0, done.stdout + done.stderr
        wait_until(lambda: len(receiver.requests) == 2)
    attempts = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["target"], each["state"], each["outcome"]) for each in attempts] == [
        (name, state, "delivered") for state in ("open", "closed") for name in ("alertmanager", "webhook", "shift")
    ]
    first = server.requests[0].json
    assert first["test"] is True
    assert first["title"] == "Test: Negative spike: #poltwt"
    assert [request.json["status"] for request in receiver.requests] == ["firing", "resolved"]
    alert = receiver.requests[0].json["alerts"][0]
    assert alert["labels"]["test"] == "true"
    assert alert["annotations"]["summary"].startswith(
        "This is a test alert from tagpulse; nothing happened. #poltwt: 52 % negative"
    )


def test_credentials_are_sent_to_alertmanager(tmp_path: Path) -> None:
    user, password = LOGIN
    with Alertmanager(tmp_path / "am", asks_for_login=True) as alertmanager:
        login = {"alertmanager_url": alertmanager.url, "alertmanager_user": user}
        wrong = run_tagpulse("alerts", "test", settings=_settings(**login, alertmanager_password="another"))
        right = run_tagpulse("alerts", "test", settings=_settings(**login, alertmanager_password=password))
    assert (wrong.returncode, right.returncode) == (1, 0), wrong.stdout + right.stdout
    assert "permanently refused" in wrong.stdout
    assert "401" in wrong.stdout
    assert right.stdout.count("was delivered") == 2


def test_a_refusal_is_shown_and_gives_exit_code_1() -> None:
    with WebhookServer(Reply(403, body=b"\x1b[2Jwho are you?")) as server:
        settings = _settings(webhook_url=server.url, alertmanager_url="http://127.0.0.1:1", timeout_seconds=2)
        done = run_tagpulse("alerts", "test", "--to", "webhook", "--kind", "silence", settings=settings)
    assert done.returncode == 1
    refused, delivered = done.stdout.splitlines()
    assert refused.startswith(f"webhook (127.0.0.1:{server.port}): the open spike was permanently refused in ")
    assert refused.endswith("403 Forbidden: [2Jwho are you?")
    assert "the closed spike was delivered" in delivered
    assert len(server.requests) == 2


def test_an_unavailable_target_is_tried_once_per_message() -> None:
    settings = _settings(alertmanager_url="http://127.0.0.1:1")
    done = run_tagpulse("alerts", "test", settings=settings)
    assert done.returncode == 1
    assert done.stdout.count("was not delivered") == 2


@pytest.mark.parametrize(("arguments", "code"), [((), 78), (("--name", "shift"), 2)])
def test_a_missing_target_is_an_error_that_says_what_to_do(arguments: tuple[str, ...], code: int) -> None:
    settings = _settings(webhook_url="http://127.0.0.1:1") if arguments else _settings()
    done = run_tagpulse("alerts", "test", *arguments, settings=settings)
    assert done.returncode == code
    assert (
        "no target named shift: the targets are webhook" if arguments else "TAGPULSE_ALERTS__WEBHOOK_URL"
    ) in done.stderr


@pytest.mark.parametrize("name", ["test", "show"])
def test_help_has_examples(name: str) -> None:
    done = run_tagpulse("alerts", name, "--help", settings=_settings())
    assert done.returncode == 0
    assert f"tagpulse alerts {name}" in done.stdout.partition("Examples:")[2]


def test_show_lists_each_spike_by_its_latest_message(embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(embedded_broker)
    topics.create(settings)
    empty = run_tagpulse("alerts", "show", settings=settings)
    assert empty.stdout == f"{settings.topics.alerts} has no spikes\n"
    published = [spike(2), spike(1), spike(1, "growing"), spike(1, "closed"), hostile_spike()]
    produce(settings.kafka, settings.topics.alerts, [(b"x", b"{"), *((each.key, encode(each)) for each in published)])
    done = run_tagpulse("alerts", "show", "--json", settings=settings)
    assert done.returncode == 0, done.stderr
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted((each["opened_at"][11:13], each["state"]) for each in shown) == [
        ("10", "closed"),
        ("10", "open"),
        ("11", "open"),
    ]
    assert f"{settings.topics.alerts}[0]@0 is not a spike, skipped" in done.stderr
    table = run_tagpulse("alerts", "show", "--open", settings=settings).stdout
    assert "#poltwt" in table
    assert "2026-11-01 11:31" in table
    assert "\x1b[2J" not in table
    assert "\u202e" not in table
