"""The PostgreSQL sink: its settings, its command, and what it stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streams.settings import PostgresSettings
from streams.sinks.base import Flushed, Row
from streams.sinks.postgres import PostgresSink
from tests.helpers.brokers import own_settings
from tests.helpers.processes import run_tagpulse
from tests.helpers.replayed import postgres_posts


def settings_for(dsn: str, **values: Any) -> PostgresSettings:
    return PostgresSettings(dsn=dsn, **values)


def sink_for(dsn: str, run: str = "live") -> PostgresSink:
    return PostgresSink(PostgresSettings(dsn=dsn), run)


async def write(dsn: str, *batches: list[Row], run: str = "live") -> list[Flushed]:
    sink = sink_for(dsn, run)
    await sink.open()
    flushed = []
    for rows in batches:
        await sink.write(rows)
        flushed.append(await sink.flush())
    await sink.close()
    return flushed


def texts(dsn: str, run: str = "live") -> list[tuple[str, str]]:
    return [(fields["id"], fields["text"]) for fields in postgres_posts(dsn, run)]


async def store(settings: PostgresSettings, *rows: Any) -> None:
    sink = PostgresSink(settings)
    try:
        await sink.open()
        await sink.write(rows)
        assert not (await sink.flush()).bad
    finally:
        await sink.close()


def run_postgres(tmp_path: Path, dsn: str, *arguments: str, **values: Any) -> tuple[int, str]:
    settings = own_settings("127.0.0.1:1", tmp_path, postgres={"dsn": dsn, **values})
    done = run_tagpulse("postgres", *arguments, settings=settings)
    return done.returncode, done.stdout + done.stderr
