"""The available sinks: the built-in ones, and those of other packages (entry points in the group `tagpulse.sinks`)."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from streams.errors import BadInput, TagpulseError
from streams.sinks.base import Sink

GROUP = "tagpulse.sinks"
_BUILT_IN = {
    "parquet": "streams.sinks.lake.parquet:ParquetSink",
    "postgres": "streams.sinks.postgres:PostgresSink",
}


def sink_names() -> list[str]:
    """Return the names that `--sink` accepts."""
    return sorted({*_BUILT_IN, *(point.name for point in entry_points(group=GROUP))})


def find_sink(name: str) -> type[Sink]:
    """Return the class of a sink.

    Raises:
        BadInput: There is no sink of that name.
        TagpulseError: The sink cannot be loaded.
    """
    if name in _BUILT_IN:
        module, _, attribute = _BUILT_IN[name].partition(":")
        built_in: type[Sink] = getattr(import_module(module), attribute)
        return built_in
    points = entry_points(group=GROUP, name=name)
    if not points:
        raise BadInput(f"there is no sink {name!r}: the available sinks are {', '.join(sink_names())}")
    return _load(next(iter(points)))


def _load(point: EntryPoint) -> type[Sink]:
    try:
        found = point.load()
    except (ImportError, AttributeError) as error:
        raise TagpulseError(f"the sink {point.name!r} ({point.value}) cannot be loaded: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Sink)):
        raise TagpulseError(f"the sink {point.name!r} ({point.value}) is not a subclass of streams.sinks.base.Sink")
    return found
