"""The table of spikes holds the latest message about each, and quotes no deleted or forgotten posts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from streams.contracts import Excerpt, Spike, decode_spike
from streams.settings import PostgresSettings
from streams.sinks.base import Author, Erasure, PostKey, opened
from streams.sinks.postgres import PostgresSink
from streams.sinks.postgres.removal import drop_month, old_months
from tests.helpers.postgres import PostgresServer
from tests.streams.sinks.lake.test_parquet import START, enriched, row
from tests.streams.sinks.test_postgres import changed, deletion
from tests.streams.sinks.test_postgres_schema import login

FULL = decode_spike(
    (Path(__file__).resolve().parents[3] / "tests" / "contracts" / "v1" / "spike_full.json").read_bytes()
)


def excerpt(post_id: str, **values: Any) -> Excerpt:
    return Excerpt(source="test", id=post_id, text=f"text of {post_id}", created_at=START, negative=0.9, **values)


def spike(minutes: int = 0, **values: Any) -> Spike:
    """Return a message about the one spike, sent this many minutes after it opened."""
    at = FULL.opened_at + timedelta(minutes=minutes)
    return msgspec.structs.replace(FULL, **{"at": at, "state": "open", "closed_at": None} | values)


def explained(**values: Any) -> Spike:
    return spike(explanation=msgspec.structs.replace(FULL.explanation, **values))


async def keep(dsn: str, *spikes: Spike, run: str = "live") -> int:
    async with opened(PostgresSink(PostgresSettings(dsn=dsn), run)) as sink:
        return await sink.keep_spikes(spikes)


def stored(dsn: str, columns: str = "run, state, posts") -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(f"select {columns} from spikes order by run, id".encode()).fetchall()


async def test_all_fields_of_a_spike_are_stored(dsn: str) -> None:
    assert await keep(dsn, FULL) == 1
    fields = msgspec.to_builtins(FULL, builtin_types=(datetime,))
    explanation = fields.pop("explanation")
    for name in ("type", "at"):
        del fields[name]
    names = [*fields, "summary", "explanation"]
    (values,) = stored(dsn, ", ".join(names))
    found = dict(zip(names, values, strict=True))
    assert {name: found[name] for name in fields} == fields
    assert found["summary"] == explanation["summary"]
    assert found["explanation"]["terms"][0]["name"] == "rex"
    assert [post["id"] for post in found["explanation"]["typical"]] == ["https://police.example/@k9/1"]


async def test_the_latest_message_wins_in_whatever_order_they_arrive(dsn: str) -> None:
    opens, grows = spike(0, posts=10), spike(5, state="growing", posts=50)
    closes = spike(5, state="closed", posts=51, closed_at=FULL.closed_at)
    assert await keep(dsn, opens, grows) == 2
    assert await keep(dsn, opens) == 0
    assert stored(dsn) == [("live", "growing", 50)]
    assert await keep(dsn, closes, grows, closes, opens) == 1
    assert stored(dsn) == [("live", "closed", 51)]


async def test_runs_are_separate_and_one_is_dropped(dsn: str) -> None:
    await keep(dsn, spike(posts=1))
    await keep(dsn, spike(posts=2), run="again")
    async with opened(PostgresSink(PostgresSettings(dsn=dsn), "again")) as sink:
        await sink.drop_run("again")
    assert stored(dsn) == [("live", "open", 1)]


async def test_a_hostile_spike_is_kept_as_it_is(dsn: str) -> None:
    hostile = "'; drop table stored_spikes; -- <script>{{7*7}} %s \u202e\0" + "e" + "\u0301" * 5_000
    assert await keep(dsn, explained(summary=hostile, top_author=hostile)) == 1
    assert stored(dsn, "summary") == [(hostile.replace("\0", "\ufffd"),)]


async def test_a_deleted_post_is_no_longer_shown(dsn: str) -> None:
    async with opened(PostgresSink(PostgresSettings(dsn=dsn))) as sink:
        await sink.write([row(0, enriched("stays")), row(1, enriched("goes"))])
        await sink.flush()
        await sink.keep_spikes([explained(typical=(excerpt("goes"), excerpt("stays")), shared=(excerpt("goes"),))])
        await sink.write([row(2, deletion("goes", minutes=1))])
        await sink.flush()
    (explanation,) = stored(dsn, "explanation")[0]
    assert [post["id"] for post in explanation["typical"]] == ["stays"]
    assert explanation["shared"] == []
    assert explanation["terms"]


@pytest.mark.parametrize(
    "wanted",
    [
        Erasure(posts=frozenset([PostKey("test", "goes")])),
        Erasure(authors=frozenset([Author("test", "someone")])),
    ],
)
async def test_a_forgotten_author_is_in_no_explanation_and_does_not_come_back(dsn: str, wanted: Erasure) -> None:
    theirs = explained(
        typical=(excerpt("goes", author="someone"), excerpt("stays", author="other")),
        summary="It is about text of goes",
        top_author="someone",
        top_text="text of goes",
    )
    others = msgspec.structs.replace(spike(), id="other")
    async with opened(PostgresSink(PostgresSettings(dsn=dsn))) as sink:
        await sink.write([row(0, changed(enriched("goes"), author="someone"))])
        await sink.flush()
        await sink.keep_spikes([theirs, others])
        await sink.forget(wanted)
        await sink.keep_spikes([msgspec.structs.replace(theirs, state="closed")])
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("select explanation::text from stored_spikes order by id").fetchall()
    assert "goes" not in rows[0][0]
    assert "someone" not in rows[0][0]
    assert "text of stays" in rows[0][0]
    assert "k9" in rows[1][0]


async def test_old_spikes_go_with_their_month(dsn: str) -> None:
    async with opened(PostgresSink(PostgresSettings(dsn=dsn))) as sink:
        await sink.write([row(0, changed(enriched("old"), created_at=FULL.opened_at))])
        await sink.flush()
    await keep(dsn, spike(), msgspec.structs.replace(spike(60 * 24 * 60), id="later"))
    with psycopg.connect(dsn, autocommit=True) as connection:
        (month,) = old_months(connection, 1, datetime(2027, 1, 1, tzinfo=UTC))
        drop_month(connection, month)
    assert stored(dsn, "id") == [("later",)]


async def test_the_writer_keeps_them_and_the_reader_only_sees_the_view(postgres: PostgresServer, dsn: str) -> None:
    await keep(dsn)
    writer = PostgresSettings(dsn=login(postgres, dsn, "tagpulse_writer"), migrate=False)
    async with opened(PostgresSink(writer)) as sink:
        assert await sink.keep_spikes([FULL]) == 1
        await sink.forget(Erasure(posts=frozenset([PostKey("test", "x")])))
    reader = login(postgres, dsn, "tagpulse_reader")
    assert stored(reader) == [("live", "closed", 120)]
    with psycopg.connect(reader) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("select * from stored_spikes")
