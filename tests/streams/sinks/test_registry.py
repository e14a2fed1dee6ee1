"""Built-in sinks and those of other packages are found by name."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest

from streams.errors import BadInput, TagpulseError
from streams.sinks import registry
from streams.sinks.lake.parquet import ParquetSink


@pytest.fixture
def _added(monkeypatch: pytest.MonkeyPatch) -> None:
    points = EntryPoints(
        [
            EntryPoint("mine", "tests.streams.agents.test_store:Flaky", registry.GROUP),
            EntryPoint("gone", "no.such.module:Sink", registry.GROUP),
            EntryPoint("odd", "pathlib:Path", registry.GROUP),
        ]
    )

    def chosen(**wanted: Any) -> EntryPoints:
        return points.select(**wanted)

    monkeypatch.setattr(registry, "entry_points", chosen)


def test_built_in_sinks_are_found_by_name() -> None:
    assert "parquet" in registry.sink_names()
    assert registry.find_sink("parquet") is ParquetSink


@pytest.mark.usefixtures("_added")
def test_another_package_adds_a_sink() -> None:
    assert "mine" in registry.sink_names()
    assert registry.find_sink("mine").name == "flaky"


@pytest.mark.usefixtures("_added")
def test_an_unusable_sink_is_reported_by_name() -> None:
    with pytest.raises(BadInput, match=r"no sink 'mongo': the available sinks are .*mine.*parquet"):
        registry.find_sink("mongo")
    with pytest.raises(TagpulseError, match=r"'gone' .*cannot be loaded"):
        registry.find_sink("gone")
    with pytest.raises(TagpulseError, match=r"'odd' .*not a subclass"):
        registry.find_sink("odd")
