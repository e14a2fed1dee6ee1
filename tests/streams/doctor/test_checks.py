"""The checks of `tagpulse doctor` and their advice."""

from __future__ import annotations

import shutil
import socket
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from models.artefact import WEIGHTS
from streams.contracts import Post, encode, utc_now
from streams.doctor import checks, clock_check
from streams.kafka import topics
from streams.processes.broker import HOST, Broker, free_port
from streams.settings import KafkaSettings, MetricsSettings, ModelSettings, Settings, TopicsSettings
from tests.conftest import SettingsFactory
from tests.helpers.brokers import own_settings
from tests.helpers.records import produce

needs_weights = pytest.mark.skipif(not (WEIGHTS / "model.onnx").is_file(), reason="the model is not in this checkout")


def test_broker_and_topics_of_a_fresh_cluster(settings: Settings) -> None:
    broker = checks.check_broker(settings)
    missing = checks.check_topics(settings)
    topics.create(settings)
    made = checks.check_topics(settings)

    assert (broker.status, broker.detail) == ("ok", f"{settings.kafka.bootstrap_servers} answers (PLAINTEXT)")
    assert (missing.status, missing.advice) == ("fail", "run tagpulse topics create")
    assert settings.topics.dead in missing.detail
    assert made.status == "ok"


def test_an_unreachable_broker_is_explained(tmp_path: Path) -> None:
    settings = own_settings(f"{HOST}:{free_port()}", tmp_path)
    broker, topic, *_ = list(checks.examine(settings))[1:]
    assert broker.status == "fail"
    assert "nothing listens there" in broker.detail
    assert (topic.status, topic.detail) == ("warn", "not checked: the broker cannot be reached")


def test_topics_that_differ_are_a_warning(apache_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(apache_broker)
    topics.create(settings)
    wanted = TopicsSettings(**(settings.topics.model_dump() | {"retention_hours": 24.0}))
    finding = checks.check_topics(settings.model_copy(update={"topics": wanted}))
    assert finding.status == "warn"
    assert f"{settings.topics.raw}: retention.ms is -1, wanted 86400000" in finding.detail


def test_an_open_network_is_a_warning(embedded_broker: Broker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def answers(*_: object) -> None:
        return None

    monkeypatch.setattr("streams.kafka.connection.probe", answers)
    assert checks.check_broker(own_settings("kafka.example:9092", tmp_path)).status == "warn"
    assert checks.check_broker(own_settings("192.0.2.1:9092,127.0.0.1:9092", tmp_path)).status == "warn"
    assert checks.check_broker(own_settings("localhost:9092,[::1]:9092", tmp_path)).status == "ok"


@needs_weights
def test_the_shipped_model_answers() -> None:
    finding = checks.check_model(Settings(model=ModelSettings(precision="f32")))
    assert finding.status == "ok", finding
    assert ", openvino f32 (as requested): loaded in" in finding.detail
    assert finding.detail.endswith("(en, positive)")


def test_a_missing_back_end_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    finding = checks.check_model(Settings(model=ModelSettings(backend="onnx")))
    assert finding.status == "fail"
    assert "TAGPULSE_MODEL__BACKEND=onnx" in finding.detail
    assert "pip install 'tagpulse[onnx]'" in finding.detail


def test_without_a_model_the_constant_answers() -> None:
    finding = checks.check_model(Settings(model=ModelSettings(backend="constant")))
    assert (finding.status, finding.detail.split(":")[0]) == ("ok", "constant 1, no model")


@needs_weights
def test_a_damaged_model_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(WEIGHTS, folder)
    with (folder / "model.onnx").open("r+b") as file:
        file.seek(1_000)
        file.write(b"damage")
    finding = checks.check_model(Settings(model=ModelSettings(path=folder)))
    assert finding.status == "fail"
    assert "model.onnx does not match" in finding.detail
    assert "TAGPULSE_MODEL__PATH" in finding.detail
    assert finding.advice == "fix the setting, or the file that it names"


def test_a_missing_model_is_found(tmp_path: Path) -> None:
    finding = checks.check_model(Settings(model=ModelSettings(path=tmp_path)))
    assert (finding.status, "missing" in finding.detail) == ("fail", True)


def test_the_metrics_port() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        assert checks.check_port(Settings(metrics=MetricsSettings(port=port))).status == "warn"
    assert checks.check_port(Settings(metrics=MetricsSettings(port=free_port()))).status == "ok"
    assert checks.check_port(Settings(metrics=MetricsSettings(port=0))).detail == f"{HOST}, any port"
    nowhere = checks.check_port(Settings(metrics=MetricsSettings(host="192.0.2.1", port=free_port())))
    assert (nowhere.status, nowhere.detail.startswith("192.0.2.1:")) == ("fail", True)


def test_a_record_written_now_is_plausible(settings: Settings) -> None:
    topics.create(settings)
    now = utc_now()
    post = Post(source="file", id="1", text="text", created_at=now)
    produce(settings.kafka, settings.topics.raw, [(post.key, encode(post))], timestamp_ms=int(now.timestamp() * 1000))
    finding = checks.check_clock(settings, ask_broker=True)
    assert finding.status != "fail"


def test_a_clock_that_cannot_be_right(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_check, "behind_records", lambda _: timedelta(seconds=90))
    ahead = checks.check_clock(settings, ask_broker=True)
    assert (ahead.status, ahead.detail) == (
        "fail",
        f"the newest record of {settings.topics.raw} is 90 s ahead of this clock",
    )
    monkeypatch.setattr(clock_check, "behind_installation", lambda: timedelta(days=400))
    assert "400 days behind" in checks.check_clock(settings, ask_broker=True).detail


@pytest.mark.parametrize(("free", "status"), [(10 * 2**30, "ok"), (2 * 2**30, "warn"), (2**20, "fail")])
def test_free_space_on_a_disk(free: int, status: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    finding = checks.check_disk("lake", tmp_path / "not" / "yet" / "there", "TAGPULSE_LAKE__PATH")
    assert finding.status == status
    assert not (tmp_path / "not").exists()


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file")
    finding = checks.check_disk("lake", tmp_path / "lake", "TAGPULSE_LAKE__PATH")
    assert (finding.status, finding.advice) == ("fail", "grant this user write access, or set TAGPULSE_LAKE__PATH")


def test_the_campaign_file(tmp_path: Path) -> None:
    assert checks.check_campaign(Settings()).status == "ok"
    path = tmp_path / "campaign.toml"
    path.write_text('name = "Twitter day"\nhashtags = ["#PolTwt"]\n')
    good = checks.check_campaign(Settings(campaign=path))
    assert (good.status, good.detail) == ("ok", "Twitter day: #poltwt, 0 topics")
    path.write_text("name = 3\n")
    bad = checks.check_campaign(Settings(campaign=path))
    assert (bad.status, bad.advice) == ("fail", "run tagpulse config validate")


def test_a_wrong_certificate_is_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("no certificate")
    kafka = KafkaSettings(security_protocol="SSL", ssl_ca_file=path)
    finding = checks.check_broker(Settings(kafka=kafka))
    assert (finding.status, "TAGPULSE_KAFKA__SSL_CA_FILE" in finding.detail) == ("fail", True)


def test_tokens_of_the_networks_of_the_campaign_are_checked(tmp_path: Path) -> None:
    campaign = tmp_path / "campaign.toml"
    campaign.write_text('sources = ["bluesky", "mastodon", "x"]')
    servers = {"instances": "one.example,two.example", "tokens": "one.example=secret"}
    found = {finding.check: finding for finding in checks.check_networks(Settings(campaign=campaign, mastodon=servers))}
    assert {check: finding.status for check, finding in found.items()} == {"x": "fail", "mastodon": "warn"}
    assert "https://two.example" in found["mastodon"].detail
    tokens = {"mastodon": servers | {"instances": "one.example"}, "x": {"token": "secret"}}
    found = {finding.check: finding for finding in checks.check_networks(Settings(campaign=campaign, **tokens))}  # type: ignore[arg-type]
    assert {finding.status for finding in found.values()} == {"ok"}
    assert not any("secret" in finding.detail for finding in found.values())
    assert list(checks.check_networks(Settings())) == []
