"""Tests of the Prometheus rules: they are valid and use existing metrics; every alert has a runbook and is tested both ways."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.delivery.notice import KINDS
from streams.metrics import REGISTRY
from tests.helpers.brokers import ROOT
from tests.helpers.monitoring import PROMETHEUS, RULES, program, rules

RUNBOOKS = ROOT / "docs" / "runbooks"
ALERTS = [rule for rule in rules() if "alert" in rule]
RECORDED = {rule["record"] for rule in rules() if "record" in rule}
TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))

# metrics of Prometheus and Alertmanager themselves, which tests/deploy/test_prometheus.py checks with real processes
FOREIGN = {
    "up",
    "prometheus_rule_evaluation_failures_total",
    "alertmanager_notifications_failed_total",
}
# the sections of a runbook, in this order
HEADINGS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]


def _names(alerts: list[dict[str, Any]]) -> list[str]:
    return sorted({alert["alert"] for alert in alerts})


def _tests() -> list[dict[str, Any]]:
    files = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in TESTS)
    return [test for file in files for test in file["tests"]]


def _exposed() -> set[str]:
    kinds = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    return {family.name + ending for family in REGISTRY.collect() for ending in kinds[family.type]}


def _promtool(*arguments: str | Path) -> None:
    done = subprocess.run([program("promtool"), *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_the_configuration() -> None:
    _promtool("check", "config", PROMETHEUS / "prometheus.yml")
    _promtool("check", "rules", *RULES)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_the_rules_do_what_they_should(path: Path) -> None:
    _promtool("test", "rules", path)


@pytest.mark.parametrize("alert", _names(ALERTS))
def test_every_alert_is_tested_firing_and_not_firing(alert: str) -> None:
    tried = [
        bool(case.get("exp_alerts"))
        for test in _tests()
        for case in test.get("alert_rule_test", ())
        if case["alertname"] == alert
    ]
    always = alert == "Watchdog"
    assert True in tried
    assert always or False in tried


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_every_alert_has_the_required_labels_and_annotations(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("critical", "warning", "none")
    assert alert["labels"]["component"]
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    assert alert["annotations"]["runbook_url"] == f"{{{{ $externalLabels.guide }}}}/docs/runbooks/{alert['alert']}.md"


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_only_the_live_run_raises_alerts(alert: dict[str, Any]) -> None:
    read = re.findall(r"\b(\w*:?tagpulse_\w+(?::\w+)*)\b(\{[^}]*\})?", alert["expr"])
    assert all('run="live"' in (matchers or "") for _, matchers in read), alert["expr"]


def test_every_metric_in_a_rule_exists() -> None:
    known = _exposed() | RECORDED | FOREIGN
    for rule in rules():
        expression = re.sub(r'"[^"]*"', "", rule["expr"])
        named = set(re.findall(r"\b(?:\w+:)*(?:tagpulse|prometheus|alertmanager)_\w+(?::\w+)*|\bup\b", expression))
        assert named or rule.get("alert") == "Watchdog"
        assert named <= known, rule


def test_each_alert_has_its_runbook_and_each_runbook_its_alert() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == set(_names(ALERTS)) | {
        kind.alert for kind in KINDS.values()
    }


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_a_runbook_says_what_to_do(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# {path.stem}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    expressions = set(re.findall(r"\b(?:\w+:)*tagpulse_\w+(?::\w+)*", text))
    assert expressions <= _exposed() | {family.name for family in REGISTRY.collect()} | RECORDED
