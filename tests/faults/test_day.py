"""The sample day at 60 × through every process: a real Alertmanager learns when the mood turns, and when that is over."""

from __future__ import annotations

import random
from collections import Counter
from datetime import time as clock
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep

import click
import pytest

from streams.contracts import Post, Spike, decode_raw, decode_spike, encode
from streams.kafka import topics
from streams.processes.broker import Broker
from streams.sample_day import sample_day
from streams.sample_day.script import on_the_day
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.helpers.alertmanager import Alertmanager
from tests.helpers.processes import Tagpulse, wait_until
from tests.helpers.records import read_all
from tests.helpers.webhooks import WebhookServer

SPEED = 60
BEGIN, END = clock(14, 20), clock(16, 35)
MAX_WAIT_SECONDS = 90.0
KILLS = 3


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_turn_of_the_mood_raises_an_alert(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day = tmp_path / "day.jsonl"
    posts = [post for post in sample_day() if isinstance(post, Post) and not post.edited_at]
    posts = [post for post in posts if on_the_day(BEGIN) <= post.created_at < on_the_day(END)]
    day.write_bytes(b"\n".join(map(encode, posts)))
    with Alertmanager(tmp_path / "alertmanager") as alertmanager, WebhookServer() as shift:
        settings = settings_for(
            embedded_broker,
            alerts={"alertmanager_url": alertmanager.url, "webhook_url": shift.url},
            watch={"lateness_seconds": 120},
        )
        topics.create(settings)
        watches = [Tagpulse("worker", "watch", settings=settings, folder=tmp_path) for _ in range(2)]
        try:
            with Tagpulse("worker", "enrich", settings=settings, folder=tmp_path):
                wait_until(lambda: all("reads" in watch.stderr for watch in watches), 60, "the watch is at work")
                with Tagpulse("produce", "file", day, "--speed", str(SPEED), settings=settings, folder=tmp_path):
                    raised, first_minute_closed = _raised(alertmanager, settings, posts[0], watches, tmp_path)
                    assert raised - first_minute_closed < MAX_WAIT_SECONDS
                    wait_until(lambda: not alertmanager.alerts(alertname="NegativeSpike"), 240, "it is resolved")
                spikes = [spike for spike in _spikes(settings) if spike.kind == "negative"]
                wait_until(lambda: len(_negative(shift)) >= 2, 60, "the webhook got both messages")
        finally:
            for watch in watches:
                watch.__exit__(None, None, None)
    assert [spike.state for spike in spikes if spike.state != "growing"] == ["open", "closed"]
    assert all(times == 1 for times in Counter((spike.id, spike.state, spike.at) for spike in spikes).values())
    assert Counter(spike["state"] for spike in _negative(shift)) == {"open": 1, "closed": 1}
    with capsys.disabled():
        seconds = raised - first_minute_closed
        click.echo(
            f"\n  an alert {seconds:.1f} s after the end of the first minute of the spike, at {SPEED} ×, {KILLS} kills"
        )


def _raised(
    alertmanager: Alertmanager, settings: Settings, first: Post, watches: list[Tagpulse], folder: Path
) -> tuple[float, float]:
    """Kill watch workers until the alert is raised, and return its time and the end of the first minute of its spike."""
    wait_until(lambda: read_all(settings.kafka, settings.topics.raw), 60, "the first post")
    began, dice = monotonic(), random.Random(6)
    first_at = decode_raw(encode(first)).created_at  # type: ignore[union-attr]
    for _ in range(KILLS):
        sleep(dice.uniform(10, 25))  # a random moment for the kill, not a wait for something
        victim = dice.randrange(len(watches))
        watches[victim].kill()
        watches[victim] = Tagpulse("worker", "watch", settings=settings, folder=folder)
    wait_until(lambda: alertmanager.alerts(alertname="NegativeSpike"), 240, "the alert")
    raised = monotonic()
    opened_at = next(spike.opened_at for spike in _spikes(settings) if spike.kind == "negative")
    played = (opened_at + timedelta(minutes=1) - first_at).total_seconds() / SPEED
    return raised, began + played


def _spikes(settings: Settings) -> list[Spike]:
    return [decode_spike(record.value) for record in read_all(settings.kafka, settings.topics.alerts)]


def _negative(shift: WebhookServer) -> list[dict[str, str]]:
    return [request.json["spike"] for request in shift.taken if request.json["spike"]["kind"] == "negative"]
