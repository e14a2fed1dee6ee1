"""From `alerts.spikes` to webhooks and a real Alertmanager, through outages, refusals and restarts."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from streams.contracts import Spike, encode
from streams.delivery.delivery import Delivery
from streams.delivery.signature import is_genuine
from streams.kafka import connection
from streams.processes.broker import Broker
from streams.settings import Settings, for_run
from tests.conftest import SettingsFactory
from tests.helpers.alertmanager import Alertmanager
from tests.helpers.processes import eventually
from tests.helpers.records import committed, produce
from tests.helpers.spikes import hostile_spike, spike
from tests.helpers.webhooks import Reply, WebhookServer

SECRET = "0123456789abcdef"
FAST = {"timeout_seconds": 1.0, "max_backoff_seconds": 0.2, "webhook_secret": SECRET}


def _create_topic(settings: Settings) -> None:
    admin = KafkaAdminClient(**connection.kafka_python(settings.kafka))
    try:
        admin.create_topics([NewTopic(settings.topics.alerts, num_partitions=1, replication_factor=1)])
    finally:
        admin.close()


def _write(settings: Settings, *spikes: Spike) -> None:
    produce(settings.kafka, settings.topics.alerts, [(each.key, encode(each)) for each in spikes])


@contextlib.asynccontextmanager
async def _delivering(settings: Settings) -> AsyncIterator[Delivery]:
    delivery = Delivery(settings)
    task = asyncio.create_task(delivery.run())
    try:
        yield delivery
    finally:
        await delivery.close()
        await asyncio.gather(task, return_exceptions=True)


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _position(settings: Settings, target: str) -> int | None:
    found = committed(settings.kafka, f"{settings.kafka.group_prefix}.alerts-{target}", settings.topics.alerts)
    return found.get(0)


async def _joined(settings: Settings, target: str = "webhook") -> None:
    """Wait until a new target has read the topic and committed a position."""
    await eventually(lambda: _position(settings, target) is not None, 30, f"{target} has a position")


@pytest.fixture
def make(embedded_broker: Broker, settings_for: SettingsFactory) -> Any:
    def settings(**alerts: Any) -> Settings:
        # a member that did not leave its group is removed quickly
        kafka = {"session_timeout_seconds": 1.0, "heartbeat_seconds": 0.3}
        made = settings_for(embedded_broker, alerts=FAST | alerts, kafka=kafka)
        _create_topic(made)
        return made

    return settings


async def test_a_webhook_gets_each_state_once_despite_a_restart(make: Any) -> None:
    with WebhookServer() as server:
        settings = for_run(make(webhook_url=server.url, replays=True), "again")
        _create_topic(settings)
        _write(settings, spike(1), spike(1, "closed"), spike(2))
        async with _delivering(settings):
            await _joined(settings)
            produce(settings.kafka, settings.topics.alerts, [(b"x", b"{"), (b"x", None)])
            # a worker that was killed writes some spikes again
            _write(settings, spike(2), spike(2, "growing"), spike(2, "closed"))
            await eventually(lambda: _position(settings, "webhook") == 8)
        _write(settings, spike(2, "closed"), hostile_spike())
        async with _delivering(settings):
            await eventually(lambda: _position(settings, "webhook") == 10)
    assert [request.json["state"] for request in server.requests] == ["open", "closed", "open"]
    assert "!channel" in server.requests[2].json["title"]
    now = datetime.now(UTC).timestamp()
    for request in server.requests:
        assert request.headers["idempotency-key"] == request.json["key"]
        assert request.headers["content-type"] == "application/json"
        assert request.json["run"] == "again"
        stamp, signature = request.headers["tagpulse-timestamp"], request.headers["tagpulse-signature"]
        key = request.headers["idempotency-key"]
        assert is_genuine(SECRET, key, stamp, signature, request.body, now)
        assert not is_genuine(SECRET, key, stamp, signature, request.body + b" ", now)
        assert not is_genuine(SECRET, key + "2", stamp, signature, request.body, now)


async def test_a_replay_delivers_only_on_request(settings_for: SettingsFactory) -> None:
    settings = Settings(kafka={"bootstrap_servers": "127.0.0.1:1"}, alerts={"webhook_url": "http://127.0.0.1:1"})
    await asyncio.wait_for(Delivery(for_run(settings, "again")).run(), 5)
    await asyncio.wait_for(Delivery(Settings(kafka={"bootstrap_servers": "127.0.0.1:1"})).run(), 5)


async def test_an_uncommitted_message_is_delivered_again_with_the_same_key(make: Any) -> None:
    with WebhookServer(Reply(), Reply(seconds=0.5)) as server:
        settings = make(webhook_url=server.url)
        delivery = Delivery(settings)
        task = asyncio.create_task(delivery.run())
        await _joined(settings)
        _write(settings, spike(1))
        await eventually(lambda: _position(settings, "webhook") == 1)
        _write(settings, spike(2))
        await eventually(lambda: len(server.requests) == 2)
        task.cancel()  # before the response arrives
        await asyncio.gather(task, return_exceptions=True)
        async with _delivering(settings):
            await eventually(lambda: _position(settings, "webhook") == 2)
    keys = [request.headers["idempotency-key"] for request in server.requests]
    assert len(keys) == 3
    assert keys[1] == keys[2]


async def test_two_workers_deliver_once_and_one_takes_over_from_the_other(make: Any) -> None:
    with WebhookServer() as server:
        settings = make(webhook_url=server.url)
        async with _delivering(settings) as first:
            await _joined(settings)
            async with _delivering(settings):
                _write(settings, spike(1))
                await eventually(lambda: len(server.requests) == 1)
                await first.close()
                _write(settings, spike(1), spike(1, "closed"))
                await eventually(lambda: _position(settings, "webhook") == 3)
    assert [request.json["state"] for request in server.requests] == ["open", "closed"]


async def test_alertmanager_gets_a_spike_that_opens_grows_and_closes(
    make: Any, tmp_path: Path, embedded_broker: Broker
) -> None:
    with WebhookServer() as receiver, Alertmanager(tmp_path / "am", receiver.url) as alertmanager:
        settings = make(alertmanager_url=alertmanager.url, resend_seconds=0.5)
        start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=20)
        times: dict[str, Any] = {"opened_at": start, "known_at": start, "at": start}
        async with _delivering(settings):
            await _joined(settings, "alertmanager")
            _write(settings, spike(1, **times))
            (first,) = await eventually(alertmanager.alerts)
            grown = spike(1, "growing", **times, posts=300, negative=200, share=2 / 3)
            _write(settings, grown)
            await eventually(lambda: "200 of 300" in alertmanager.alerts()[0]["annotations"]["description"])
            (second,) = alertmanager.alerts()
            assert second["fingerprint"] == first["fingerprint"]
            assert second["startsAt"] == first["startsAt"]
            # it outlives its first end time, two seconds later
            end = second["endsAt"]
            await eventually(lambda: alertmanager.alerts()[0]["startsAt"] < end < _now())
            assert len(alertmanager.alerts()) == 1
            _write(settings, spike(1, "closed", **times | {"closed_at": start + timedelta(minutes=9)}))
            await eventually(lambda: not alertmanager.alerts())
            await eventually(lambda: len(receiver.requests) >= 2)
            _write(settings, hostile_spike())
            (hostile,) = await eventually(alertmanager.alerts)
    assert hostile["annotations"]["summary"].startswith("\u2039!channel\u203a")
    assert "{{ .Labels }}" in hostile["annotations"]["summary"]
    sent = [(request.json["status"], len(request.json["alerts"])) for request in receiver.requests[:2]]
    assert sent == [("firing", 1), ("resolved", 1)]
    labels = receiver.requests[0].json["alerts"][0]["labels"]
    assert (labels["alertname"], labels["hashtag"], labels["run"]) == ("NegativeSpike", "poltwt", "live")


async def test_alertmanager_gets_the_open_spikes_after_restarts_of_both(make: Any, tmp_path: Path) -> None:
    with Alertmanager(tmp_path / "am") as alertmanager:
        settings = make(alertmanager_url=alertmanager.url, resend_seconds=1.0)
        async with _delivering(settings):
            await _joined(settings, "alertmanager")
            _write(settings, spike(1), spike(2, hashtag="k9"), spike(1, "closed"))
            await eventually(lambda: alertmanager.alerts(hashtag="k9"))
            await eventually(lambda: _position(settings, "alertmanager") == 1)
            alertmanager.stop()
            shutil.rmtree(tmp_path / "am" / "data")
            alertmanager.start()
            await eventually(lambda: alertmanager.alerts(hashtag="k9"))
        # without delivery the alert resolves, and comes back afterwards
        await eventually(lambda: not alertmanager.alerts(), 15)
        _write(settings, spike(3, hashtag="k9", kind="volume"))
        async with _delivering(settings):
            await eventually(lambda: len(alertmanager.alerts(hashtag="k9")) == 2)
            assert not alertmanager.alerts(hashtag="poltwt")
            _write(settings, spike(2, "closed", hashtag="k9"), spike(3, "closed", hashtag="k9", kind="volume"))
            await eventually(lambda: not alertmanager.alerts())
            await eventually(lambda: _position(settings, "alertmanager") == 6)
