"""A sink and access to what it stores, with the same interface for the lake and for PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row
from pydantic import SecretStr

from streams.settings import LakeSettings, PostgresSettings
from streams.sinks.base import Flushed, Row, Sink, opened
from streams.sinks.lake.parquet import ParquetSink
from streams.sinks.lake.query import ask
from streams.sinks.postgres import PostgresSink


@dataclass(frozen=True)
class Store:
    """A sink; `place` is a folder or `s3://…` for a lake, and the DSN for PostgreSQL."""

    place: Path | str

    @property
    def is_lake(self) -> bool:
        return isinstance(self.place, Path) or self.place.startswith("s3://")

    def sink(self, run: str = "live") -> Sink:
        if self.is_lake:
            return ParquetSink(LakeSettings(path=self.place), run)
        return PostgresSink(PostgresSettings(dsn=SecretStr(str(self.place))), run)

    async def write(self, rows: Sequence[Row], run: str = "live") -> Flushed:
        async with opened(self.sink(run)) as sink:
            await sink.write(rows)
            return await sink.flush()

    def select(self, question: str) -> list[dict[str, Any]]:
        """Run a query in the SQL of the sink, and return its rows as dictionaries."""
        if self.is_lake:
            answer = ask(self.place, question)
            return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
        with psycopg.connect(str(self.place), row_factory=dict_row) as connection:
            connection.execute("set timezone = 'UTC'")
            return list(connection.execute(question.encode()))
