"""Prometheus and Alertmanager beside a trial, where they are installed."""

from __future__ import annotations

import json
from pathlib import Path

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
