"""/healthz, /readyz and /metrics answer over real HTTP."""

from __future__ import annotations

import logging
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from streams import metrics
from streams.broker import free_port
from streams.errors import SettingsError
from streams.health import Health
from streams.settings import MetricsSettings


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def reasons() -> list[str]:
    return []


@pytest.fixture
def health(reasons: list[str]) -> Iterator[Health]:
    server = Health(MetricsSettings(port=0), "test", lambda: reasons[0] if reasons else None)
    server.start()
    yield server
    server.stop()


def test_it_answers_while_ready_and_not(health: Health, reasons: list[str]) -> None:
    assert _get(f"{health.address}/healthz") == (200, "alive\n")
    assert _get(f"{health.address}/readyz") == (200, "ready\n")
    reasons.append("stalled")
    assert _get(f"{health.address}/healthz") == (200, "alive\n")
    assert _get(f"{health.address}/readyz") == (503, "not ready: stalled\n")
    assert _get(f"{health.address}/else")[0] == 404


def test_metrics_are_in_the_format_of_prometheus(health: Health) -> None:
    metrics.DELETIONS.labels("test").inc()
    status, text = _get(f"{health.address}/metrics")
    assert status == 200
    assert 'tagpulse_deletions_total{run="live",source="test"}' in text
    assert 'tagpulse_build_info{role="test"' in text


def test_a_port_in_use_gives_way_to_the_next_with_a_warning(health: Health, caplog: pytest.LogCaptureFixture) -> None:
    port = int(health.address.rpartition(":")[2])
    second = Health(MetricsSettings(port=port), "test")
    with caplog.at_level(logging.WARNING):
        second.start()
    try:
        assert second.address != health.address
        assert _get(f"{second.address}/readyz")[0] == 200
        assert f"TAGPULSE_METRICS__PORT: port {port} is in use" in caplog.text
    finally:
        second.stop()


def test_each_process_of_several_has_a_port_of_its_own() -> None:
    port = free_port()
    server = Health(MetricsSettings(port=port), "test")
    server.start(port_offset=1)
    try:
        assert int(server.address.rpartition(":")[2]) >= port + 1
    finally:
        server.stop()


def test_an_address_that_is_not_ours_names_the_setting() -> None:
    with pytest.raises(SettingsError, match="TAGPULSE_METRICS__HOST"):
        Health(MetricsSettings(host="192.0.2.1"), "test").start()
