"""The table of spikes: its retention, and the rights of each role."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest

from streams.contracts import Spike
from streams.settings import PostgresSettings
from streams.sinks.base import Erasure, PostKey, opened
from streams.sinks.postgres import PostgresSink
from streams.sinks.postgres.removal import drop_month, old_months
from tests.helpers.postgres import PostgresServer, login
from tests.helpers.rows import changed, enriched, row
from tests.helpers.spikes import FULL, published
from tests.helpers.stores import Store


async def keep(dsn: str, *spikes: Spike) -> int:
    async with opened(PostgresSink(PostgresSettings(dsn=dsn))) as sink:
        return await sink.keep_spikes(spikes)


async def test_old_spikes_are_dropped_with_their_month(dsn: str) -> None:
    async with opened(PostgresSink(PostgresSettings(dsn=dsn))) as sink:
        await sink.write([row(0, changed(enriched("old"), created_at=FULL.opened_at))])
        await sink.flush()
    await keep(dsn, published(), published(60 * 24 * 60, id="later"))
    with psycopg.connect(dsn, autocommit=True) as connection:
        (month,) = old_months(connection, 1, datetime(2027, 1, 1, tzinfo=UTC))
        drop_month(connection, month)
    assert Store(dsn).select("select id from spikes") == [{"id": "later"}]


async def test_the_writer_keeps_them_and_the_reader_only_sees_the_view(postgres: PostgresServer, dsn: str) -> None:
    await keep(dsn)
    writer = PostgresSettings(dsn=login(postgres, dsn, "tagpulse_writer"), migrate=False)
    async with opened(PostgresSink(writer)) as sink:
        assert await sink.keep_spikes([FULL]) == 1
        await sink.forget(Erasure(posts=frozenset([PostKey("test", "x")])))
    reader = login(postgres, dsn, "tagpulse_reader")
    (shown,) = Store(reader).select("select run, state, posts from spikes")
    assert shown == {"run": "live", "state": "closed", "posts": 120}
    with psycopg.connect(reader) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("select * from stored_spikes")
