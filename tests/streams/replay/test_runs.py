"""Runs are found in the state folder, the topics and the sinks, and dropped from all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar, Self

import pytest

from streams.contracts import EnrichedPost
from streams.errors import BadInput, SettingsError
from streams.kafka import topics
from streams.plugins import Registry
from streams.processes.broker import Broker
from streams.replay import runs as module
from streams.replay.runs import Run, drop, list_runs, stored_rows
from streams.replay.state import StateFolder
from streams.settings import Settings, for_run
from streams.sinks.base import Flushed, Row, Sink
from tests.conftest import SettingsFactory
from tests.streams.compare.two_runs import enriched, write_run
from tests.streams.replay.test_state import MANIFEST, state

POSTS: list[EnrichedPost] = [enriched("1"), enriched("2"), enriched("3")]


class Plain(Sink):
    """A sink without runs that only notes that it was used."""

    name: ClassVar[str] = "plain"
    used: ClassVar[list[str]] = []

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls()

    async def open(self) -> None:
        self.used.append("open")

    async def write(self, rows: Sequence[Row]) -> None:
        raise NotImplementedError

    async def flush(self) -> Flushed:
        raise NotImplementedError

    async def close(self) -> None:
        self.used.append("close")


@pytest.fixture
def settings(embedded_broker: Broker, settings_for: SettingsFactory) -> Settings:
    """Settings of a live run, with a finished replay, one that has begun, and one that was started elsewhere."""
    live = settings_for(embedded_broker)
    topics.create(live)
    topics.create(for_run(live, "done"))
    topics.create(for_run(live, "elsewhere"))
    states = StateFolder(live.produce.state_path)
    with states.only_one("done"), states.only_one("begun"):
        states.save("done", state(manifest=MANIFEST))
        states.save("begun", state())
    states.logs("done").mkdir()
    asyncio.run(write_run(live.lake.path, "live", POSTS))
    asyncio.run(write_run(live.lake.path, "done", POSTS[:2]))
    asyncio.run(write_run(live.lake.path, "old", POSTS[:1]))
    return live


def listed(settings: Settings, *sinks: str) -> dict[str, Run]:
    return {run.name: run for run in list_runs(settings, sinks)}


def test_runs_are_found_wherever_they_left_something(settings: Settings) -> None:
    runs = listed(settings, "parquet")
    assert [(run.name, run.state, run.posts) for run in runs.values()] == [
        ("live", "live", {"parquet": 3}),
        ("begun", "begun", {}),
        ("done", "done", {"parquet": 2}),
        ("elsewhere", "unknown", {}),
        ("old", "unknown", {"parquet": 1}),
    ]
    assert runs["done"].manifest == MANIFEST
    assert runs["done"].topics == list(for_run(settings, "done").topics.names.values())
    assert (runs["begun"].topics, runs["begun"].manifest) == ([], None)
    assert set(listed(settings)) == {"live", "begun", "done", "elsewhere"}, "without the sinks"


def test_a_dropped_run_leaves_nothing_and_the_others_stay(settings: Settings) -> None:
    before = listed(settings, "parquet")
    assert drop(settings, before["done"], ["parquet"]) == {"parquet": 2}
    after = listed(settings, "parquet")
    assert after == {name: run for name, run in before.items() if name != "done"}
    assert not StateFolder(settings.produce.state_path).logs("done").exists()
    assert drop(settings, after["old"], ["parquet"]) == {"parquet": 1}, "it has neither topics nor a state"
    assert set(listed(settings, "parquet")) == {"live", "begun", "elsewhere"}


def test_rows_of_other_sinks_are_kept(settings: Settings) -> None:
    assert drop(settings, listed(settings, "parquet")["done"], []) == {}
    assert listed(settings, "parquet")["done"].posts == {"parquet": 2}


def test_the_live_run_is_never_dropped(settings: Settings) -> None:
    live = listed(settings, "parquet")["live"]
    with pytest.raises(BadInput, match="the live run is not a replay"):
        drop(settings, live, ["parquet"])
    assert listed(settings, "parquet")["live"] == live


def test_a_run_that_is_being_replayed_is_not_dropped(settings: Settings) -> None:
    before = listed(settings, "parquet")
    with (
        StateFolder(settings.produce.state_path).only_one("done"),
        pytest.raises(BadInput, match="is being replayed by another process"),
    ):
        drop(settings, before["done"], ["parquet"])
    assert listed(settings, "parquet") == before


def test_a_sink_without_runs_counts_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = f"{__name__}:Plain"
    built_in = {"plain": plain, "parquet": "streams.sinks.lake.parquet:ParquetSink"}
    monkeypatch.setattr(module, "SINKS", Registry("sink", "none", Sink, built_in))  # type: ignore[type-abstract]
    Plain.used.clear()
    assert stored_rows("plain", settings) is None
    assert Plain.used == ["open", "close"]
    assert stored_rows("parquet", settings) == {"live": 3, "done": 2, "old": 1}
    assert listed(settings, "plain", "parquet")["done"].posts == {"parquet": 2}


def test_a_wrong_lake_is_not_an_empty_one(settings: Settings) -> None:
    lake = settings.lake.model_copy(update={"path": settings.produce.state_path / "nowhere"})
    with pytest.raises(SettingsError, match="there is no lake"):
        stored_rows("parquet", settings.model_copy(update={"lake": lake}))
    with pytest.raises(BadInput, match="there is no sink 'mongo'"):
        stored_rows("mongo", settings)
