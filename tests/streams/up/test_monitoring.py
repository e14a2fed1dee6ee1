"""Prometheus and Alertmanager beside a trial, where they are installed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.processes.process import stop
from streams.up.monitoring import monitoring
from streams.up.part import Part
from tests.helpers.grafana import program
from tests.helpers.processes import wait_until
from tests.streams.up.parts import SERVER, looked, part


def test_prometheus_scrapes_the_processes(tmp_path: Path) -> None:
    program("prometheus", "prometheus")
    configuration = tmp_path / "configuration"
    configuration.mkdir()
    (configuration / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        "scrape_configs: [{job_name: tagpulse, file_sd_configs: [{files: [targets/tagpulse.yml]}]}]\n"
    )
    one = part(tmp_path, SERVER)
    parts = [one, *monitoring(tmp_path / "monitoring", [one], configuration)]
    try:
        for each in parts:
            each.start()
        wait_until(lambda: {looked(each).state for each in parts} == {"running"}, 60)
        prometheus = parts[1]
        targets = wait_until(lambda: _up_targets(prometheus), 30, "Prometheus has scraped the targets")
        assert targets == [f"127.0.0.1:{one.port}"]
    finally:
        stop(parts, 20)


def _up_targets(prometheus: Part) -> list[str]:
    _, text = prometheus.ask("/api/v1/query?query=up==1")
    return [result["metric"]["instance"] for result in json.loads(text)["data"]["result"]] if text else []


def test_without_its_configuration_there_is_no_monitoring(tmp_path: Path) -> None:
    assert monitoring(tmp_path / "monitoring", [], tmp_path / "nowhere") == []


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that makes these the only programs and returns a folder with a configuration."""

    def install(*names: str) -> Path:
        programs, configuration = tmp_path / "bin", tmp_path / "configuration"
        programs.mkdir()
        (configuration / "rules").mkdir(parents=True)
        (configuration / "prometheus.yml").touch()
        (configuration / "rules" / "lag.yml").write_text("groups: []")
        for name in names:
            (programs / name).touch(mode=0o755)
        monkeypatch.setenv("PATH", str(programs))
        return configuration

    return install


def test_without_prometheus_there_is_no_monitoring(tmp_path: Path, installed: Callable[..., Path]) -> None:
    assert monitoring(tmp_path / "monitoring", [], installed("alertmanager")) == []
    assert not (tmp_path / "monitoring").exists()


def test_without_alertmanager_prometheus_watches_alone(tmp_path: Path, installed: Callable[..., Path]) -> None:
    [prometheus] = monitoring(tmp_path / "monitoring", [], installed("prometheus"))
    assert prometheus.name == "prometheus"
    assert _targets(tmp_path) == {"tagpulse": [], "alertmanager": [], "monitoring": [prometheus.address]}


@pytest.mark.parametrize("name", ["prometheus-alertmanager", "alertmanager"])
def test_prometheus_and_alertmanager_are_targets_too(name: str, tmp_path: Path, installed: Callable[..., Path]) -> None:
    targets = [part(tmp_path, ""), part(tmp_path, "")]
    prometheus, alertmanager = monitoring(tmp_path / "monitoring", targets, installed("prometheus", name))
    assert [each.state for each in (prometheus, alertmanager)] == ["waiting", "waiting"]
    assert _targets(tmp_path) == {
        "tagpulse": [each.address for each in targets],
        "alertmanager": [alertmanager.address],
        "monitoring": [prometheus.address],
    }
    folder = tmp_path / "monitoring"
    assert (folder / "prometheus" / "rules" / "lag.yml").read_text() == "groups: []"
    assert prometheus.command[0] == str(tmp_path / "bin" / "prometheus")
    assert f"--config.file={folder}/prometheus/prometheus.yml" in prometheus.command
    assert f"--web.listen-address={prometheus.address}" in prometheus.command
    assert alertmanager.command[0] == str(tmp_path / "bin" / name)
    assert f"--web.listen-address={alertmanager.address}" in alertmanager.command
    assert "receivers: [{name: page}]" in (folder / "alertmanager.yml").read_text(), "it notifies nobody"


def _targets(folder: Path) -> dict[str, list[str]]:
    files = (folder / "monitoring" / "prometheus" / "targets").glob("*.yml")
    return {file.stem: json.loads(file.read_text())[0]["targets"] for file in files}
