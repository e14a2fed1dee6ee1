"""A worker before Kafka is ready; the rest of its life is in `tests/faults`."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from typing import Any

import pytest

from streams import metrics
from streams.kafka.publisher import Publisher
from streams.processes.broker import HOST, Broker, free_port
from streams.runtime.lossless import BatchPolicy, Record
from streams.runtime.worker import Job, run
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.helpers.processes import eventually
from tests.helpers.scrapes import value_of


class _Nothing:
    """An output that is never written to."""

    async def write(self, result: Any) -> None:
        raise AssertionError(result)

    async def flush(self) -> None:
        raise AssertionError


def _job(settings: Settings) -> Job:
    async def process(records: Sequence[Record]) -> Any:
        raise AssertionError(records)

    return Job(
        worker="enrich",
        topic=settings.topics.raw,
        process=process,
        output=_Nothing(),
        policy=BatchPolicy(batch_size=1, max_wait_seconds=1.0, batches_in_flight=1),
        publisher=Publisher(settings.kafka, "enrich", settings.topics.limits),
        is_waiting=lambda: False,
    )


async def _run_until(settings: Settings, text: str, caplog: pytest.LogCaptureFixture) -> None:
    """Run a worker until it has logged this text, and then ask it to stop."""
    running = asyncio.create_task(run(_job(settings), settings))
    try:
        await eventually(lambda: text in caplog.text, 60, "the reason")
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(running, 30)
    finally:
        running.cancel()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)


async def test_a_worker_waits_for_an_unavailable_broker_until_it_is_stopped(
    embedded_broker: Broker, settings_for: SettingsFactory, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_for(embedded_broker, kafka={"bootstrap_servers": f"{HOST}:{free_port()}"})
    with caplog.at_level("INFO"):
        await _run_until(settings, "nothing listens there", caplog)
    assert value_of(metrics.BROKER_AWAY) == 1
    assert "worker enrich stopped on request before Kafka was ready" in caplog.text


async def test_a_worker_waits_for_missing_topics_until_it_is_stopped(
    embedded_broker: Broker, settings_for: SettingsFactory, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_for(embedded_broker)
    metrics.BROKER_AWAY.set(0)
    with caplog.at_level("INFO"):
        await _run_until(settings, "run `tagpulse topics create`; waiting", caplog)
    assert settings.topics.raw in caplog.text
    assert value_of(metrics.BROKER_AWAY) == 0, "it answers"
    assert "worker enrich stopped on request before Kafka was ready" in caplog.text
