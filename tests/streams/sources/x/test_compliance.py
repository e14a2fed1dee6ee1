"""Deletions from X's compliance streams."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from streams import metrics
from streams.contracts import Deletion, Gap, Post
from streams.errors import Refused
from streams.sources.base import Content, Unreadable
from tests.helpers.feeds import counted, no_sleep, take
from tests.helpers.http_server import Connection
from tests.helpers.x import (
    ACCOUNTS,
    COMPLIANCE,
    NOW,
    Time,
    account_gone,
    cut,
    ids,
    line,
    removal,
    send,
    source,
    stay,
    x,
)


async def test_deletions_of_kept_posts_are_honoured() -> None:
    removals = send(removal(1), removal(9), removal(0, "drop"), removal(2, "undrop"), removal(1))
    seen: list[Content] = []

    async def after_the_posts(connection: Connection) -> None:
        while len(seen) < 3:
            await no_sleep(0)
        await removals(connection)

    async with x([send(line(0), line(1), line(2)), stay], compliance={3: [after_the_posts, stay]}) as server:
        found = []
        batches = source(server, compliance=True).batches()
        async for batch in batches:
            found += batch.contents
            seen += batch.contents
            if len(found) == 5:
                break
        await batches.aclose()  # type: ignore[attr-defined]
        assert sorted(request.query["partition"][0] for request in server.asked(COMPLIANCE)) == ["1", "2", "3", "4"]
    assert [(type(content), number) for content, number in zip(found, ids(found), strict=True)] == [
        (Post, 0), (Post, 1), (Post, 2), (Deletion, 1), (Deletion, 0),
    ]  # fmt: skip
    assert isinstance(found[3], Deletion)
    assert found[3].deleted_at == datetime(2026, 8, 1, 12, 30, tzinfo=UTC)


async def test_the_posts_of_a_removed_account_are_deleted() -> None:
    seen: list[Any] = []

    async def after_the_posts(connection: Connection) -> None:
        while len(seen) < 2:
            await no_sleep(0)
        await connection.chunk(account_gone("7"))

    async with x([send(line(0), line(1, author_id="8")), stay], accounts={2: [after_the_posts, stay]}) as server:
        async with asyncio.timeout(60), contextlib.aclosing(source(server, compliance=True).batches()) as batches:  # type: ignore[type-var]
            async for batch in batches:
                seen += batch.contents
                if len(seen) == 3:
                    break
        assert sorted(request.query["partition"][0] for request in server.asked(ACCOUNTS)) == ["1", "2", "3", "4"]
    assert [(type(content), number) for content, number in zip(seen, ids(seen), strict=True)] == [
        (Post, 0), (Post, 1), (Deletion, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("saved", "minutes", "since"),
    [
        ({"at": "2026-08-01T12:59:00Z", "deletions_at": "2026-08-01T12:50:00Z"}, "5", (12, 50)),
        ({"at": "2026-08-01T12:59:00Z", "deletions_at": "2026-08-01T12:58:00Z"}, "3", None),
        ({"at": "2026-08-01T12:50:00Z"}, "5", (12, 50)),  # written by an earlier version
        ({"at": "2026-08-01T12:58:00Z"}, "3", None),
    ],
)
async def test_deletions_are_requested_again_after_a_restart(
    saved: dict[str, str], minutes: str, since: tuple[int, int] | None
) -> None:
    alive = {partition: [send(b"\r\n"), stay] for partition in (1, 2, 3, 4)}
    gaps = counted(metrics.GAPS, "x")
    found: list[Any] = []
    async with x([send(b"\r\n"), stay], compliance=alive, accounts=alive) as server:
        listening = source(server, cursor=json.dumps(saved), compliance=True)
        async with asyncio.timeout(60), contextlib.aclosing(listening.batches()) as batches:  # type: ignore[type-var]
            async for batch in batches:
                found += batch.contents
                cursor = json.loads(batch.cursor) if batch.cursor else {}
                if cursor.get("deletions_at") == "2026-08-01T13:00:00Z":
                    break
        asked = [*server.asked(COMPLIANCE), *server.asked(ACCOUNTS)]
        assert [request.query["backfill_minutes"] for request in asked] == [[minutes]] * 8
    deletion_gaps = [gap for gap in found if isinstance(gap, Gap) and gap.reason.startswith("deletions")]
    assert [gap.since for gap in deletion_gaps] == ([NOW.replace(hour=since[0], minute=since[1])] if since else [])
    assert counted(metrics.GAPS, "x") - gaps == len(found)


async def test_deletions_still_in_transit_hold_the_cursor() -> None:
    saved = json.dumps({"at": "2026-08-01T12:59:00Z", "deletions_at": "2026-08-01T12:58:00Z"})
    alive = {partition: [send(b"\r\n"), stay] for partition in (1, 2, 3, 4)}
    again = alive | {4: [send(removal(7)), stay]}
    async with x([send(b"\r\n"), stay], compliance=again, accounts=alive) as server:
        listening = source(server, cursor=saved, compliance=True, backfill_minutes=5)
        async with asyncio.timeout(60), contextlib.aclosing(listening.batches()) as batches:  # type: ignore[type-var]
            cursors = [(await anext(batches)).cursor for _ in range(9)]
    assert json.loads(cursors[-1] or "") == {
        "at": "2026-08-01T13:00:00Z", "month": "2026-08", "deletions_at": "2026-08-01T12:58:00Z",
    }  # fmt: skip


async def test_a_compliance_stream_that_ends_with_a_reason_is_reopened() -> None:
    time = Time()
    streams = iter([[send(b'{"title":"ConnectionException","connection_issue":"TooManyConnections"}\r\n'), cut]])

    async def first_refused(connection: Connection) -> None:
        for act in next(streams, [send(b"x" * (5 * 2**20) + b"\r\n"), stay]):
            await act(connection)

    async with x([stay], compliance={1: [first_refused]}) as server:
        [content], _ = await take(source(server, time=time, compliance=True), 1)
    assert isinstance(content, Unreadable)
    assert content.reason == "oversize"
    assert time.waits == [60]


async def test_a_plan_without_compliance_streams_is_reported() -> None:
    async with x([stay]) as server:
        with pytest.raises(Refused, match="TAGPULSE_X__COMPLIANCE"):
            await take(source(server, compliance=True), 1)
