"""The sinks that can keep posts."""

from streams.plugins import Registry
from streams.sinks.base import Sink

SINKS: Registry[Sink] = Registry(
    "sink",
    "tagpulse.sinks",
    Sink,  # type: ignore[type-abstract]
    {"parquet": "streams.sinks.lake.parquet:ParquetSink", "postgres": "streams.sinks.postgres:PostgresSink"},
)
