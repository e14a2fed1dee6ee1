"""Tests of the committed configuration in a real Prometheus with real tagpulse processes and a real Alertmanager."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from streams import sample_day
from streams.contracts import Post, encode
from streams.kafka import topics
from streams.processes.broker import HOST, Broker, free_port
from streams.settings import Settings
from tests.helpers.brokers import own_settings
from tests.helpers.monitoring import Alertmanager, PostOffice, Prometheus, rules
from tests.helpers.processes import Tagpulse, wait_until

CAMPAIGN = Path(sample_day.__file__).parent / "poltwt.toml"
RECORDED = sorted({rule["record"] for rule in rules() if "record" in rule})
SECONDS = 90


def _file_of_posts(folder: Path) -> Path:
    """Write part of the sample day with unreadable lines: a few posts a second at 60 times the original speed."""
    path = folder / "posts.jsonl"
    lines = [encode(message).decode() for message in sample_day.sample_day() if isinstance(message, Post)]
    path.write_text("\n".join([*lines[:200], *["no post"] * 3, *lines[200:1200], *["no post"] * 3, *lines[1200:]]))
    return path


@pytest.fixture(scope="module")
def post_office() -> Iterator[PostOffice]:
    with PostOffice() as office:
        yield office


@pytest.fixture(scope="module")
def prometheus(
    embedded_broker: Broker, tmp_path_factory: pytest.TempPathFactory, post_office: PostOffice
) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("monitored")
    base = own_settings(embedded_broker.bootstrap_servers, folder, lake={"path": folder / "lake", "flush_seconds": 0.5})
    topics.create(base)
    ports = [free_port() for _ in range(4)]

    def at(port: int) -> Settings:
        metrics = base.metrics.model_copy(update={"port": port})
        return base.model_copy(update={"metrics": metrics, "campaign": CAMPAIGN})

    with ExitStack() as stack:
        (folder / "alertmanager").mkdir()
        (folder / "prometheus").mkdir()
        alertmanager = stack.enter_context(Alertmanager(folder / "alertmanager", post_office))
        for port, command in zip(
            ports,
            (
                ("worker", "enrich"),
                ("worker", "store", "--sink", "parquet"),
                ("worker", "watch"),
                ("produce", "file", "--speed", "300", str(_file_of_posts(folder))),
            ),
            strict=True,
        ):
            stack.enter_context(Tagpulse(*command, settings=at(port), folder=folder))
        targets = [f"{HOST}:{port}" for port in ports]
        yield stack.enter_context(Prometheus(folder / "prometheus", targets, f"{HOST}:{alertmanager.port}"))


def test_the_rules_are_loaded_and_can_be_evaluated(prometheus: Prometheus) -> None:
    expected = sorted(rule.get("record") or rule["alert"] for rule in rules())
    assert sorted(rule["name"] for rule in prometheus.rules()) == expected
    wait_until(lambda: all(rule["health"] == "ok" for rule in prometheus.rules()), what="every rule was evaluated")


def test_every_target_is_up(prometheus: Prometheus) -> None:
    try:
        wait_until(lambda: [target["health"] for target in prometheus.targets()] == ["up"] * 6, SECONDS, "all are up")
    except AssertionError as error:
        error.add_note("\n".join(f"{target['scrapeUrl']}: {target['lastError']}" for target in prometheus.targets()))
        raise
    roles = prometheus.query("count by (role) (tagpulse_build_info)")
    assert {sample["metric"]["role"] for sample in roles} == {"enrich", "store-parquet", "watch", "produce-file"}


@pytest.mark.parametrize("name", RECORDED)
def test_every_recording_rule_returns_data(prometheus: Prometheus, name: str) -> None:
    samples = wait_until(lambda: prometheus.query(name), SECONDS, f"{name} has data")
    assert all(sample["metric"]["run"] == "live" for sample in samples)


def test_the_share_of_negative_posts_is_between_0_and_1(prometheus: Prometheus) -> None:
    (sample,) = wait_until(
        lambda: prometheus.query('hashtag:tagpulse_negative_share:ratio_rate5m{hashtag="poltwt"} > 0'), SECONDS
    )
    assert 0 < float(sample["value"][1]) < 1


@pytest.mark.parametrize(
    "name", ["prometheus_rule_evaluation_failures_total", "alertmanager_notifications_failed_total"]
)
def test_the_monitors_have_the_metrics_that_alerts_read(prometheus: Prometheus, name: str) -> None:
    wait_until(lambda: prometheus.query(name), SECONDS, f"{name} exists")


def test_the_heartbeat_reaches_the_dead_mans_switch(prometheus: Prometheus, post_office: PostOffice) -> None:
    (beat, *_) = wait_until(lambda: post_office.at("/dead-mans-switch"), SECONDS, "the heartbeat")
    (alert,) = beat["alerts"]
    assert alert["labels"] == {"alertname": "Watchdog", "severity": "none", "component": "monitoring"}
    assert alert["annotations"]["runbook_url"].endswith("/docs/runbooks/Watchdog.md")


def test_no_worker_is_missing(prometheus: Prometheus) -> None:
    with urllib.request.urlopen(f"{prometheus.url}/api/v1/alerts", timeout=5) as answer:
        alerts = json.load(answer)["data"]["alerts"]
    assert [alert for alert in alerts if alert["labels"]["alertname"] == "NoWorker"] == []
