"""Which sinks there are: ours, and those that other packages add by an entry point in the group `tagpulse.sinks`."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from streams.errors import BadInput, TagpulseError
from streams.sinks.base import Sink

GROUP = "tagpulse.sinks"
_OURS = {
    "parquet": "streams.sinks.lake.parquet:ParquetSink",
    "postgres": "streams.sinks.postgres:PostgresSink",
}


def sink_names() -> list[str]:
    """The names for `--sink`."""
    return sorted({*_OURS, *(point.name for point in entry_points(group=GROUP))})


def find_sink(name: str) -> type[Sink]:
    """The class of a sink. Raises BadInput when there is none of that name, TagpulseError when it cannot be loaded."""
    if name in _OURS:
        module, _, attribute = _OURS[name].partition(":")
        ours: type[Sink] = getattr(import_module(module), attribute)
        return ours
    points = entry_points(group=GROUP, name=name)
    if not points:
        raise BadInput(f"there is no sink {name!r}, only {', '.join(sink_names())}")
    return _load(next(iter(points)))


def _load(point: EntryPoint) -> type[Sink]:
    try:
        found = point.load()
    except (ImportError, AttributeError) as error:
        raise TagpulseError(f"the sink {point.name!r} ({point.value}) cannot be loaded: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Sink)):
        raise TagpulseError(f"the sink {point.name!r} ({point.value}) is no subclass of streams.sinks.base.Sink")
    return found
