"""The sinks that can keep posts."""

from __future__ import annotations

from streams.plugins import Registry
from streams.settings import Settings
from streams.sinks.base import Sink

SINKS: Registry[Sink] = Registry(
    "sink",
    "tagpulse.sinks",
    Sink,  # type: ignore[type-abstract]
    {"parquet": "streams.sinks.lake.parquet:ParquetSink", "postgres": "streams.sinks.postgres:PostgresSink"},
)


def configured_sinks(settings: Settings) -> list[str]:
    """Return the names of all sinks, without PostgreSQL if no server is set: its extra may not be installed."""
    return [name for name in SINKS.names() if name != "postgres" or settings.postgres.dsn is not None]
