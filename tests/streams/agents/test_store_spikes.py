"""Spikes are stored as they arrive; unreadable records become dead letters, and an unavailable sink is waited for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from streams.agents.store_spikes import StoreSpikes
from streams.contracts import Spike, encode
from streams.errors import DeadLetterLimit, Unavailable
from streams.kafka import topics
from streams.kafka.publisher import Outgoing
from streams.processes.broker import Broker
from streams.runtime.lossless import Record
from streams.settings import Settings, WorkerSettings
from tests.conftest import SettingsFactory
from tests.helpers.letters import dead_letters_of
from tests.helpers.processes import Tagpulse, wait_until
from tests.helpers.records import produce
from tests.helpers.spikes import FULL


class Sink:
    name = "memory"

    def __init__(self, failures: int = 0) -> None:
        self.kept: list[Spike] = []
        self._failures = failures

    async def keep_spikes(self, spikes: Sequence[Spike]) -> int:
        if self._failures:
            self._failures -= 1
            raise Unavailable("away")
        self.kept += spikes
        return len(spikes)


class Publisher:
    def __init__(self) -> None:
        self.sent: list[Outgoing] = []

    async def publish(self, records: Sequence[Outgoing]) -> None:
        self.sent += records


async def _no_sleep(_: float) -> None:
    return None


def store(sink: Any, publisher: Any, **worker: Any) -> StoreSpikes:
    settings = Settings(worker=WorkerSettings(**worker))
    return StoreSpikes(sink, publisher, settings, sleep=_no_sleep, part="-spikes")


def record(value: bytes, offset: int = 0) -> Record:
    return Record("alerts.spikes", 0, offset, 0, b"poltwt", value, ())


async def test_spikes_are_stored_and_unreadable_records_become_dead_letters() -> None:
    sink, publisher = Sink(failures=2), Publisher()
    agent = store(sink, publisher)
    results = await agent.read([record(encode(FULL)), record(b"{", 1)])
    await agent.write(results)
    await agent.flush()
    assert sink.kept == [FULL]
    assert agent.worker == "store-memory-spikes"
    (letter,) = dead_letters_of(publisher.sent[:1])
    assert (letter.topic, letter.offset, letter.reason) == ("alerts.spikes", 1, "malformed")


def test_the_store_worker_stores_spikes_as_well_as_posts(
    embedded_broker: Broker, dsn: str, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    sections: dict[str, dict[str, Any]] = {
        "kafka": {"session_timeout_seconds": 3.0, "heartbeat_seconds": 1.0},
        "postgres": {"dsn": dsn},
    }
    settings = settings_for(embedded_broker, **sections)
    topics.create(settings)
    produce(settings.kafka, settings.topics.alerts, [(FULL.key, encode(FULL))])
    with Tagpulse("worker", "store", "--sink", "postgres", settings=settings, folder=tmp_path):
        wait_until(lambda: _kept(dsn) == [FULL.id], 60, "the spike is stored")


def _kept(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        if connection.execute("select to_regclass('spikes')").fetchone() == (None,):
            return []
        return [row[0] for row in connection.execute("select id from spikes").fetchall()]


async def test_a_stream_of_unreadable_records_stops_the_worker(tmp_path: Path) -> None:
    agent = store(Sink(), Publisher(), dead_window=10, dead_share=0.5)
    with pytest.raises(DeadLetterLimit):
        await agent.read([record(b"{", offset) for offset in range(6)])
