"""Built-in classes and those of other packages are found by name."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest

from streams import plugins
from streams.errors import BadInput, TagpulseError
from streams.plugins import Registry
from streams.sinks.registry import SINKS
from streams.sources.registry import NETWORKS


@pytest.fixture
def _added(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry points of other packages: a sink that works, two that do not, and a network that is a sink."""
    points = EntryPoints(
        [
            EntryPoint("mine", "tests.streams.agents.test_store:Flaky", "tagpulse.sinks"),
            EntryPoint("gone", "no.such.module:Sink", "tagpulse.sinks"),
            EntryPoint("odd", "pathlib:Path", "tagpulse.sinks"),
            EntryPoint("sink", "streams.sinks.lake.parquet:ParquetSink", "tagpulse.sources"),
        ]
    )

    def select(**wanted: Any) -> EntryPoints:
        return points.select(**wanted)

    monkeypatch.setattr(plugins, "entry_points", select)


@pytest.mark.parametrize(
    ("registry", "names"),
    [(SINKS, {"parquet", "postgres"}), (NETWORKS, {"bluesky", "mastodon", "x"})],
    ids=["sinks", "networks"],
)
def test_built_in_classes_are_found_by_name(registry: Registry[Any], names: set[str]) -> None:
    assert names <= set(registry.names())
    assert {registry.find(name).name for name in names} == names


@pytest.mark.usefixtures("_added")
def test_another_package_adds_a_class() -> None:
    assert "mine" in SINKS.names()
    assert "mine" not in NETWORKS.names()
    assert SINKS.find("mine").name == "flaky"


@pytest.mark.usefixtures("_added")
def test_an_unusable_class_is_reported_by_name() -> None:
    with pytest.raises(BadInput, match=r"no sink 'mongo': the available sinks are .*mine.*parquet"):
        SINKS.find("mongo")
    with pytest.raises(BadInput, match=r"no network 'mine': the available networks are bluesky, mastodon, sink, x"):
        NETWORKS.find("mine")
    with pytest.raises(TagpulseError, match=r"the sink 'gone' .*cannot be loaded"):
        SINKS.find("gone")
    with pytest.raises(TagpulseError, match=r"the sink 'odd' .*is not a subclass of streams.sinks.base.Sink"):
        SINKS.find("odd")
    with pytest.raises(TagpulseError, match=r"'sink' .*is not a subclass of streams.sources.network.Network"):
        NETWORKS.find("sink")
