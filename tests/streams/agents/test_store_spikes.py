"""Spikes go to the sink as they come; what cannot be read is a dead letter, and a sink that is away is waited for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from streams.agents.store_spikes import StoreSpikes
from streams.contracts import DeadLetter, Spike, decode_dead, encode
from streams.errors import DeadLetterLimit, Unavailable
from streams.lossless import Record
from streams.publisher import Outgoing
from streams.settings import Settings, WorkerSettings
from tests.streams.sinks.test_postgres_spikes import FULL


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


async def test_spikes_are_kept_and_the_unreadable_is_buried() -> None:
    sink, publisher = Sink(failures=2), Publisher()
    agent = store(sink, publisher)
    results = await agent.read([record(encode(FULL)), record(b"{", 1)])
    await agent.write(results)
    await agent.flush()
    assert sink.kept == [FULL]
    assert agent.worker == "store-memory-spikes"
    letter = decode_dead(publisher.sent[0].value)
    assert isinstance(letter, DeadLetter)
    assert (letter.topic, letter.offset, letter.reason) == ("alerts.spikes", 1, "malformed")


async def test_a_stream_of_rubbish_stops_it(tmp_path: Path) -> None:
    agent = store(Sink(), Publisher(), dead_window=10, dead_share=0.5)
    with pytest.raises(DeadLetterLimit):
        await agent.read([record(b"{", offset) for offset in range(6)])
