"""Delivering workers are killed at random: each message arrives in order, and repetitions carry the same key."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from streams.contracts import Spike, encode
from streams.kafka import topics
from streams.processes.broker import Broker
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.helpers.brokers import ROOT
from tests.helpers.processes import environment, wait_until
from tests.helpers.records import committed, produce
from tests.helpers.spikes import OPENED_AT, spike
from tests.helpers.webhooks import Reply, WebhookServer

pytestmark = pytest.mark.slow

SPIKES = 20
KILLS = 4


class Deliverers:
    """Two delivering processes; a killed one is restarted."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._environment = environment(settings)
        self._folder = folder
        self._processes = [self._start(number) for number in range(2)]

    def kill(self, number: int) -> None:
        self._processes[number].kill()
        self._processes[number].wait()
        self._processes[number] = self._start(number)

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        with (self._folder / f"delivering-{number}").open("ab") as log:
            command = [sys.executable, "-m", "tests.faults.delivering"]
            return subprocess.Popen(command, cwd=ROOT, env=self._environment, stdout=log, stderr=log)


@contextlib.contextmanager
def _deliverers(settings: Settings, folder: Path) -> Iterator[Deliverers]:
    processes = Deliverers(settings, folder)
    try:
        yield processes
    finally:
        processes.end()


def _messages() -> list[Spike]:
    found = []
    for number in range(SPIKES):
        times: dict[str, Any] = {"opened_at": OPENED_AT + timedelta(minutes=number), "id": f"negative:poltwt:{number}"}
        found += [spike(state="open", **times), spike(state="closed", **times)]
    return found


def test_killed_workers_lose_nothing_and_repeat_messages_only_with_the_same_key(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    dice = random.Random(6)
    # slow replies, so that kills interrupt requests; and some errors, after which requests are repeated
    script = [Reply(dice.choice([200, 200, 200, 503]), seconds=dice.uniform(0.05, 0.3)) for _ in range(400)]
    with WebhookServer(*script) as server:
        settings = settings_for(
            embedded_broker,
            alerts={"webhook_url": server.url, "max_backoff_seconds": 0.2},
            kafka={"session_timeout_seconds": 1.0, "heartbeat_seconds": 0.3, "rebalance_timeout_seconds": 1.0},
        )
        topics.create(settings)
        group, topic = f"{settings.kafka.group_prefix}.alerts-webhook", settings.topics.alerts
        messages = _messages()
        with _deliverers(settings, tmp_path) as deliverers:
            wait_until(lambda: committed(settings.kafka, group, topic), 60, "a worker has joined")
            produce(settings.kafka, topic, [(message.key, encode(message)) for message in messages])
            for _ in range(KILLS):
                before = len(server.requests)
                more = dice.randrange(1, 6)
                wait_until(lambda: len(server.requests) >= before + more or _is_done(settings), 60)  # noqa: B023
                deliverers.kill(dice.randrange(2))
            wait_until(lambda: _is_done(settings), 120, "everything is committed")
    keys = [request.headers["idempotency-key"] for request in server.taken]
    assert list(dict.fromkeys(keys)) == [
        f"live:negative:poltwt:{number}:{state}" for number in range(SPIKES) for state in ("open", "closed")
    ]
    assert len(keys) - len(set(keys)) <= KILLS


def _is_done(settings: Settings) -> bool:
    group = f"{settings.kafka.group_prefix}.alerts-webhook"
    return committed(settings.kafka, group, settings.topics.alerts).get(0) == 2 * SPIKES
