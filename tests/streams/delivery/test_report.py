from __future__ import annotations

import logging

import pytest

from streams import metrics
from streams.delivery.http import Outcome, Response
from streams.delivery.report import Report
from tests.helpers.scrapes import value_of

FAILED = Response("failed", "503 Busy")
REFUSED = Response("refused", "404 Not Found")
DELIVERED = Response("delivered", "200 OK")
NAME = "test-report"


@pytest.fixture
def report(caplog: pytest.LogCaptureFixture) -> Report:
    caplog.set_level(logging.WARNING)
    return Report(NAME, "hooks.example", clock=lambda: 1_700_000_000.0)


def _messages(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def _deliveries(outcome: Outcome) -> float:
    return value_of(metrics.ALERT_DELIVERIES.labels(NAME, outcome))


def test_each_change_is_logged_once(report: Report, caplog: pytest.LogCaptureFixture) -> None:
    for answer in (DELIVERED, FAILED, FAILED, REFUSED, REFUSED, FAILED, DELIVERED, DELIVERED):
        report.answered(answer)
    assert [(level, message.partition(" (503")[0].partition(" (404")[0]) for level, message in _messages(caplog)] == [
        ("WARNING", f"{NAME} (hooks.example) does not accept alerts; retrying until it does, nothing is lost"),
        (
            "ERROR",
            f"{NAME} (hooks.example) refuses alerts: fix its address, secret or format; refused alerts are counted "
            "and not sent again",
        ),
        ("WARNING", f"{NAME} (hooks.example) does not accept alerts; retrying until it does, nothing is lost"),
        ("WARNING", f"{NAME} (hooks.example) accepts alerts again"),
    ]
    assert "503 Busy" in caplog.text
    assert "404 Not Found" in caplog.text


def test_a_target_that_always_accepts_is_not_mentioned(report: Report, caplog: pytest.LogCaptureFixture) -> None:
    report.answered(DELIVERED)
    assert _messages(caplog) == []


def test_deliveries_and_retries_are_counted(report: Report) -> None:
    failing, retries = metrics.ALERT_TARGET_FAILING.labels(NAME), metrics.ALERT_RETRIES.labels(NAME)
    before = value_of(retries), _deliveries("delivered"), _deliveries("refused")
    assert value_of(failing) == 0
    report.answered(FAILED, 3)
    assert (value_of(failing), value_of(retries) - before[0]) == (1, 1)
    report.answered(REFUSED, 2)
    assert (value_of(failing), _deliveries("refused") - before[2]) == (1, 2)
    report.answered(DELIVERED, 3)
    report.answered(DELIVERED, 0)
    assert (value_of(failing), _deliveries("delivered") - before[1]) == (0, 3), "a repeated message is not counted"
    assert value_of(metrics.ALERT_LAST_SUCCESS.labels(NAME)) == 1_700_000_000


def test_a_target_that_was_handed_over_no_longer_counts_as_failing(report: Report) -> None:
    report.answered(FAILED)
    report.handed_over()
    assert value_of(metrics.ALERT_TARGET_FAILING.labels(NAME)) == 0
