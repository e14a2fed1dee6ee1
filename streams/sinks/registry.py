"""The sinks that can keep posts."""

from __future__ import annotations

from collections.abc import Iterable

from streams.plugins import Registry
from streams.settings import Settings
from streams.sinks.base import Sink

SINKS: Registry[Sink] = Registry(
    "sink",
    "tagpulse.sinks",
    Sink,  # type: ignore[type-abstract]
    {"parquet": "streams.sinks.lake.parquet:ParquetSink", "postgres": "streams.sinks.postgres:PostgresSink"},
)


def chosen_sinks(names: Iterable[str], settings: Settings) -> list[str]:
    """Return these names, each once; if there are none, those of all configured sinks.

    PostgreSQL is not configured, and its extra may not be installed, if no server is set.
    """
    return list(dict.fromkeys(names)) or [
        name for name in SINKS.names() if name != "postgres" or settings.postgres.dsn is not None
    ]
