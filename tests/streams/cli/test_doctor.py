"""`tagpulse doctor`, run as a subprocess."""

from __future__ import annotations

import json
from pathlib import Path

from streams.kafka import topics
from streams.processes.broker import HOST, Broker, free_port
from tests.conftest import SettingsFactory
from tests.helpers.brokers import own_settings
from tests.helpers.processes import run_tagpulse
from tests.streams.doctor.test_checks import needs_weights

CHECKS = ["campaign", "broker", "topics", "model", "metrics port", "clock", "lake", "state"]


@needs_weights
def test_all_is_well(embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(embedded_broker)
    topics.create(settings)
    done = run_tagpulse("doctor", "--json", settings=settings)
    found = json.loads(done.stdout)
    assert [finding["check"] for finding in found["findings"]] == CHECKS
    assert [finding for finding in found["findings"] if finding["status"] == "fail"] == []
    assert (done.returncode, found["ok"]) == (0, True)


def test_problems_are_shown_and_set_the_exit_code(tmp_path: Path) -> None:
    done = run_tagpulse("doctor", settings=own_settings(f"{HOST}:{free_port()}", tmp_path), timeout=30)
    assert done.returncode == 1
    assert "fail  broker" in done.stdout
    assert "nothing listens there" in done.stdout
    assert done.stderr == ""
