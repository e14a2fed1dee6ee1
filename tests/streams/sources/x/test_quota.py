"""The monthly number of posts that X's plan allows."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from streams import metrics
from streams.contracts import Gap, Post
from tests.helpers.feeds import counted, take
from tests.helpers.http_server import Connection
from tests.helpers.processes import eventually
from tests.helpers.x import (
    STREAM,
    USAGE,
    Failure,
    Time,
    cut,
    ids,
    line,
    send,
    source,
    stay,
    x,
)


async def test_the_plans_limit_is_shown_and_respected() -> None:
    time = Time()
    async with x([send(line(0), line(1), line(2)), stay], [send(line(5)), stay]) as server:
        server.usage = [(97, 99), (99, 99), (0, 99)]
        contents, _ = await take(source(server, time=time), 4)
        assert len(server.asked(USAGE)) == 3
    # two more posts are read, and then none until X allows more
    assert [type(content) for content in contents] == [Post, Post, Gap, Post]
    assert ids(contents) == [0, 1, 5]
    assert time.waits == [0, 900, 900]
    assert counted(metrics.QUOTA_LIMIT, "x") == 99
    gap = contents[2]
    assert isinstance(gap, Gap)
    assert "all 99 posts that the plan allows this month" in gap.reason


async def test_our_own_limit_holds_across_restarts_until_the_month_ends() -> None:
    time = Time()
    time.now = datetime(2026, 8, 31, 23, 40, tzinfo=UTC)
    saved = json.dumps({"at": "2026-08-31T23:40:00Z", "month": "2026-08", "read": 9})
    async with x([send(line(0), line(1)), stay], [send(line(2)), stay]) as server:
        contents, _ = await take(source(server, time=time, cursor=saved, monthly_posts=10, backfill_minutes=5), 3)
    assert [type(content) for content in contents] == [Post, Gap, Post]
    assert time.now.month == 9
    assert isinstance(contents[1], Gap)
    assert "TAGPULSE_X__MONTHLY_POSTS" in contents[1].reason


@pytest.mark.parametrize("usage", [[], [(7, 99)] * 9])
async def test_a_cap_reported_by_x_is_waited_out_and_reported_once(usage: list[tuple[int, int]]) -> None:
    """This also holds if X does not report its usage, or reports that some posts are left."""
    time = Time()
    capped: Failure = (429, b'{"title":"UsageCapExceeded","period":"Monthly"}', {})
    ends = [send(b'{"errors":[{"title":"usage-cap-exceeded"}]}\r\n'), cut]
    async with x(capped, capped, ends, [send(line(0)), stay]) as server:
        server.usage = usage
        contents, _ = await take(source(server, time=time), 2)
    assert [type(content) for content in contents] == [Gap, Post]
    assert isinstance(contents[0], Gap)
    assert "UsageCapExceeded" in contents[0].reason
    assert [wait for wait in time.waits if wait == 900] == [900] * 3


async def test_x_is_asked_for_the_monthly_usage_while_the_stream_is_open() -> None:
    time = Time()

    async def a_quarter_of_an_hour_later(connection: Connection) -> None:
        time.now += timedelta(seconds=901)
        await connection.chunk(b"\r\n")
        await eventually(lambda: counted(metrics.QUOTA_USED, "x") == 50, 10, "the answer is shown")
        await connection.chunk(line(1))

    async with x([send(line(0)), a_quarter_of_an_hour_later, stay]) as server:
        server.usage = [(5, 99), (50, 99)]
        contents, _ = await take(source(server, time=time), 2)
        assert (len(server.asked(USAGE)), len(server.asked(STREAM))) == (2, 1)
    assert ids(contents) == [0, 1]
    assert counted(metrics.QUOTA_USED, "x") == 51
