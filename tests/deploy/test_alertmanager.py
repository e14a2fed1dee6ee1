"""Tests of Alertmanager's configuration: routes, inhibitions, and messages that contain hostile posts."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest
import yaml

from streams.delivery.notice import KINDS, Kind
from tests.helpers.monitoring import ALERTMANAGER, Alertmanager, PostOffice, program, rules
from tests.helpers.processes import wait_until

CONFIGURATION = ALERTMANAGER / "alertmanager.yml"

LABELS = {rule["alert"]: rule["labels"] for rule in rules() if "alert" in rule}
HOSTILE = "<!channel> & <https://evil.example|click> {{ .ExternalURL }} *bold* \u202e\u0301\u0301"


def _amtool(*arguments: str) -> str:
    done = subprocess.run([program("amtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_amtool_accepts_the_configuration() -> None:
    assert "SUCCESS" in _amtool("check-config", str(CONFIGURATION))


@pytest.mark.parametrize("alert", sorted(LABELS))
def test_every_alert_reaches_the_right_receiver(alert: str) -> None:
    labels = {"alertname": alert, **LABELS[alert]}
    receiver = {"critical": "pager", "warning": "shift", "none": "dead-mans-switch"}[labels["severity"]]
    routed = _amtool(
        "config", "routes", "test", f"--config.file={CONFIGURATION}", f"--verify.receivers={receiver}",
        *(f"{name}={value}" for name, value in labels.items()),
    )  # fmt: skip
    assert routed.split() == [receiver]


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.alert)
def test_a_spike_goes_to_the_shift_whatever_its_severity(kind: Kind) -> None:
    labels = [f"alertname={kind.alert}", "component=mood", f"severity={kind.severity}", "hashtag=poltwt"]
    assert _amtool("config", "routes", "test", f"--config.file={CONFIGURATION}", *labels).split() == ["shift"]


def test_inhibitions_name_alerts_that_exist() -> None:
    configuration = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    matchers = [
        matcher
        for rule in configuration["inhibit_rules"]
        for matcher in (*rule["source_matchers"], *rule["target_matchers"])
    ]
    named = {
        name for matcher in matchers if matcher.startswith("alertname") for name in re.findall(r"[A-Z]\w+", matcher)
    }
    assert named <= LABELS.keys() | {kind.alert for kind in KINDS.values()}


def test_the_configuration_contains_no_secret() -> None:
    text = CONFIGURATION.read_text(encoding="utf-8")
    assert not re.search(r"^\s*(api_url|credentials|password|routing_key|token):", text, re.MULTILINE)


@pytest.fixture(scope="module")
def post_office() -> Iterator[PostOffice]:
    with PostOffice() as office:
        yield office


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory, post_office: PostOffice) -> Iterator[Alertmanager]:
    with Alertmanager(tmp_path_factory.mktemp("alertmanager"), post_office) as server:
        yield server


def test_a_hostile_post_harms_no_message(alertmanager: Alertmanager, post_office: PostOffice) -> None:
    alertmanager.send(
        {
            "alertname": "NegativeShareHigh",
            "component": "mood",
            "severity": "warning",
            "run": "live",
            "hashtag": "<!here>",
        },
        {"summary": HOSTILE, "description": "a" * 10_000, "runbook_url": "https://guide.example/docs/runbooks/A.md"},
    )
    (message,) = wait_until(lambda: post_office.at("/shift_webhook_url"), what="the message")
    (attachment,) = message["attachments"]
    assert attachment["title"] == "warning: NegativeShareHigh #&lt;!here&gt;"
    assert "<" not in attachment["text"]
    assert "&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; {{ .ExternalURL }}" in attachment["text"]
    assert attachment["text"].rstrip().endswith("what to do: https://guide.example/docs/runbooks/A.md")


@pytest.mark.parametrize(
    ("because", "silent", "also", "labels"),
    [
        ("NegativeSpike", "NegativeShareHigh", {"hashtag": "poltwt"}, {"hashtag": "k9"}),
        ("KafkaUnavailable", "CommitsStalled", {}, {"run": "other"}),
        ("KafkaUnavailable", "ProducerBlocked", {}, {"run": "other"}),
        ("NoWorker", "ConsumerLagHigh", {"worker": "enrich"}, {"worker": "store-parquet"}),
        ("SinkUnavailable", "CommitsStalled", {"worker": "store-postgres"}, {"worker": "store-parquet"}),
        ("ConsumerLagHigh", "EndToEndSlow", {"worker": "enrich"}, {"run": "other"}),
    ],
)
def test_an_alert_that_follows_from_another_is_inhibited(
    alertmanager: Alertmanager, because: str, silent: str, also: dict[str, str], labels: dict[str, str]
) -> None:
    mark = {"test": f"{because}-{silent}"}
    common = {"run": mark["test"], **also}
    alertmanager.send({"alertname": because, **common})
    alertmanager.send({"alertname": silent, "which": "same", **common})
    alertmanager.send({"alertname": silent, "which": "other", **common, **labels})

    def states() -> dict[str, str]:
        ours = [alert for alert in alertmanager.alerts() if alert["labels"].get("which")]
        ours = [alert for alert in ours if alert["labels"]["alertname"] == silent]
        return {
            alert["labels"]["which"]: alert["status"]["state"]
            for alert in ours
            if alert["labels"]["run"] in (common["run"], labels.get("run"))
        }

    wait_until(lambda: states() == {"same": "suppressed", "other": "active"}, 40, f"{silent} is inhibited: {states()}")
