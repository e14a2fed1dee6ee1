"""The source of X against an API that speaks the protocol, on good and bad days."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from streams import metrics
from streams.contracts import Deletion, Gap, Post
from streams.errors import Refused, SettingsError
from streams.settings import XSettings
from streams.sources.base import Unreadable
from streams.sources.x import XSource
from streams.sources.x_rules import wanted_rules
from tests.helpers.feeds import counted, no_sleep, numbers, take
from tests.helpers.http_server import Connection, Request, http_server
from tests.helpers.processes import eventually
from tests.helpers.x import (
    ACCOUNTS,
    COMPLIANCE,
    FIRST_ID,
    RULES,
    STREAM,
    TOKEN,
    USAGE,
    Act,
    X,
    account_gone,
    cut,
    line,
    removal,
    send,
    stay,
    tweet_id_of,
    x,
)

NOW = datetime(2026, 8, 1, 13, tzinfo=UTC)


class Time:
    """A clock that a pause sets on."""

    def __init__(self) -> None:
        self.now = NOW
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += timedelta(seconds=seconds)

    def clock(self) -> float:
        return self.now.timestamp()


def source(server: X, *tags: str, time: Time | None = None, cursor: str | None = None, **settings: Any) -> XSource:
    time = time or Time()
    return XSource(
        XSettings(url=server.url, token=TOKEN, **settings),  # type: ignore[arg-type]
        tags or ("poltwt",),
        cursor=cursor,
        now=lambda: time.now,
        clock=time.clock,
        sleep=time.sleep,
        jitter=lambda: 0.0,
    )


def ids(contents: list[Any]) -> list[int]:
    return [number - FIRST_ID for number in numbers(contents)]


async def test_makes_the_rules_of_the_campaign_and_listens() -> None:
    async with x([send(b"\r\n", line(0), b"\r\n", line(1)), stay]) as server:
        server.rules = {
            "1": {"value": "#old", "tag": "tagpulse"},
            "2": {"value": "#others", "tag": "someone"},
            "3": {"value": "#poltwt OR #k9", "tag": "someone"},
        }
        contents, _ = await take(source(server, "PolTwt", "k9"), 2)
        assert sorted((rule["value"], rule["tag"]) for rule in server.rules.values()) == [
            ("#others", "someone"), ("#poltwt OR #k9", "someone"), ("#poltwt OR #k9", "tagpulse"),
        ]  # fmt: skip
        assert [request.method for request in server.asked(RULES)] == ["GET", "POST", "POST", "GET"]
        [asked] = server.asked(STREAM)
        assert "backfill_minutes" not in asked.query
        assert "edit_history_tweet_ids" in asked.query["tweet.fields"][0]
    assert ids(contents) == [0, 1]


async def test_rules_that_stand_are_left() -> None:
    async with x([send(line(0)), stay]) as server:
        server.rules = {"1": {"value": "#poltwt", "tag": "tagpulse"}}
        await take(source(server), 1)
        assert [request.method for request in server.asked(RULES)] == ["GET"]


async def test_a_rule_that_x_does_not_take_ends_it() -> None:
    async with x([stay]) as server:
        server.refused_rules = {"#poltwt": "UnprocessableEntity"}
        with pytest.raises(Refused, match=r"does not take the rules .*UnprocessableEntity #poltwt"):
            await take(source(server), 1)


def test_hashtags_share_rules_up_to_the_plans_limit() -> None:
    assert wanted_rules(["a", "bb", "ccc", "d"], 10) == ["#a OR #bb", "#ccc OR #d"]
    with pytest.raises(Refused, match="#long"):
        wanted_rules(["long"], 4)


async def test_leaves_out_what_other_rules_found() -> None:
    filtered = counted(metrics.FILTERED, "x")
    frames = line(0).replace(b'"tag":"tagpulse"', b'"tag":"someone"'), line(1)
    async with x([send(*frames), stay]) as server:
        contents, _ = await take(source(server), 1)
    assert ids(contents) == [1]
    assert counted(metrics.FILTERED, "x") - filtered == 1


async def in_mid_line(connection: Connection) -> None:
    await connection.chunk(line(2)[:50])
    connection.cut()


async def in_mid_character(connection: Connection) -> None:
    whole = line(2, text="é #poltwt")
    await connection.chunk(whole[: whole.index("é".encode()) + 1])
    connection.cut()


@pytest.mark.parametrize("end", [cut, in_mid_line, in_mid_character])
async def test_a_cut_is_filled_where_the_plan_can(end: Act) -> None:
    gaps, repeated = counted(metrics.GAPS, "x"), counted(metrics.FRAMES_REPEATED, "x")
    async with x([send(line(0), line(1)), end], [send(line(1), line(2), line(3)), stay]) as server:
        contents, _ = await take(source(server, backfill_minutes=5), 4)
        assert [request.query.get("backfill_minutes") for request in server.asked(STREAM)] == [None, ["1"]]
    assert ids(contents) == [0, 1, 2, 3]
    assert counted(metrics.GAPS, "x") == gaps
    assert counted(metrics.FRAMES_REPEATED, "x") - repeated == 1


async def test_a_cut_is_a_gap_where_the_plan_cannot(caplog: pytest.LogCaptureFixture) -> None:
    async with x([send(line(0)), cut], [send(line(5)), stay]) as server:
        contents, _ = await take(source(server), 3)
    assert [type(content) for content in contents] == [Post, Gap, Post]
    assert isinstance(contents[1], Gap)
    assert (contents[1].origin, contents[1].since) == (server.url.removeprefix("http://"), NOW)
    assert "BACKFILL_MINUTES" in contents[1].reason
    assert "gap in the feed" in caplog.text


async def test_goes_on_from_a_saved_cursor_and_reports_what_is_lost() -> None:
    saved = json.dumps({"at": "2026-08-01T12:50:00Z", "month": "2026-08", "read": 41})
    async with x([send(line(0)), stay]) as server:
        listening = source(server, cursor=saved, backfill_minutes=5)
        contents, batches = await take(listening, 2)
        assert server.asked(STREAM)[0].query["backfill_minutes"] == ["5"]
    [gap] = [content for content in contents if isinstance(content, Gap)]
    assert gap.since == datetime(2026, 8, 1, 12, 50, tzinfo=UTC)
    assert batches[-1].cursor is not None
    # what is sent again may still be on its way
    assert json.loads(batches[-1].cursor) == {"at": "2026-08-01T12:55:00Z", "month": "2026-08", "read": 42}
    assert listening.describe(batches[-1].cursor) == "2026-08-01T12:55:00+00:00"


@pytest.mark.parametrize("backfill_minutes", [0, 5])
async def test_a_time_that_is_still_to_come_is_a_gap(backfill_minutes: int) -> None:
    saved = json.dumps({"at": "2031-01-01T00:00:00Z"})
    async with x([send(b"\r\n", line(0)), stay]) as server:
        contents, batches = await take(source(server, cursor=saved, backfill_minutes=backfill_minutes), 2)
        asked = server.asked(STREAM)[0].query.get("backfill_minutes")
    assert asked == (["5"] if backfill_minutes else None)
    assert [type(content) for content in contents] == [Gap, Post]
    assert isinstance(contents[0], Gap)
    assert (contents[0].since, "set back" in contents[0].reason) == (None, True)
    assert batches[-1].cursor is not None
    assert json.loads(batches[-1].cursor)["at"] == "2026-08-01T13:00:00Z"


async def test_a_cut_while_posts_are_sent_again_is_made_good() -> None:
    time = Time()
    away: list[Any] = [(503, b"", {})] * 5
    async with x([send(line(0)), cut], *away, [send(line(1)), cut], [send(line(1), line(2)), stay]) as server:
        contents, batches = await take(source(server, time=time, backfill_minutes=5), 3)
        assert [request.query.get("backfill_minutes") for request in server.asked(STREAM)][-2:] == [["4"], ["4"]]
        assert ids(contents) == [0, 1, 2]
        again, _ = await take(source(server, time=time, backfill_minutes=5, cursor=batches[-1].cursor), 2)
        assert server.asked(STREAM)[-1].query["backfill_minutes"] == ["4"]
    assert ids(again) == [1, 2]


async def test_keep_alives_carry_the_cursor_on() -> None:
    async with x([send(b"\r\n", b"\r\n", line(0)), stay]) as server:
        _, batches = await take(source(server), 1)
    assert len(batches) == 3
    assert [bool(batch.cursor) for batch in batches] == [True] * 3


@pytest.mark.parametrize(
    ("status", "setting"),
    [(400, "BACKFILL_MINUTES"), (401, "TAGPULSE_X__TOKEN"), (403, "TAGPULSE_X__TOKEN"), (404, "TAGPULSE_X__URL")],
)
async def test_a_refusal_for_good_ends_it(status: int, setting: str) -> None:
    async with x((status, b'{"title":"no"}', {})) as server:
        with pytest.raises(Refused, match=f"HTTP {status}.*{setting}") as caught:
            await take(source(server), 1)
    assert TOKEN not in str(caught.value)


async def test_redirects_are_followed_within_the_host() -> None:
    async with x((307, b"", {"location": STREAM}), [send(line(0)), stay]) as server:
        contents, _ = await take(source(server), 1)
        assert len(server.asked(STREAM)) == 2
    assert ids(contents) == [0]


async def test_a_redirect_in_a_circle_is_trouble_that_passes() -> None:
    time = Time()
    async with x(*[(302, b"", {"location": STREAM})] * 4, [send(line(0)), stay]) as server:
        contents, _ = await take(source(server, time=time), 1)
    assert ids(contents) == [0]
    assert time.waits == [0.25]


async def test_another_host_gets_no_token() -> None:
    seen: list[Request] = []

    async def elsewhere(request: Request, connection: Connection) -> None:
        seen.append(request)
        await connection.begin("application/json")
        await connection.chunk(line(0))
        await connection.stay()

    async with http_server(elsewhere) as other, x((302, b"", {"location": other + STREAM})) as server:
        await take(source(server), 1)
    assert [request.path for request in seen] == [STREAM]
    assert TOKEN not in repr(seen)


async def test_a_wrong_token_is_said_at_once() -> None:
    async with x([stay]) as server:
        listening = XSource(XSettings(url=server.url, token="wrong"), ["poltwt"], sleep=no_sleep)  # type: ignore[arg-type]
        with pytest.raises(Refused, match="TAGPULSE_X__TOKEN"):
            await take(listening, 1)


async def test_each_kind_of_trouble_has_its_own_ladder() -> None:
    time = Time()
    reset = int((NOW + timedelta(seconds=400)).timestamp())
    crowd = b'{"title":"ConnectionException","connection_issue":"TooManyConnections","detail":"at the maximum"}\r\n'
    streams: list[Any] = [
        (503, b"", {}),
        (503, b"", {}),
        [cut],
        [cut],
        (429, b"{}", {}),
        (429, b"{}", {"x_rate_limit_reset": str(reset)}),
        (429, b"{}", {"x_rate_limit_reset": "9999999999"}),  # a clock that is wrong by years
        [send(crowd), cut],
        [send(line(0), b'{"errors":[{"title":"operational-disconnect","detail":"upstream"}]}\r\n'), cut],
        [send(line(1)), stay],
    ]
    async with x(*streams) as server:
        contents, _ = await take(source(server, time=time, backfill_minutes=5), 2)
    assert ids(contents) == [0, 1]
    assert time.waits[:5] == [5, 10, 0.25, 0.5, 60]
    assert time.waits[5] == pytest.approx(400 - 75.75)
    assert time.waits[6:] == [900, 480, 5]


async def test_the_plans_limit_is_shown_and_respected() -> None:
    time = Time()
    async with x([send(line(0), line(1), line(2)), stay], [send(line(5)), stay]) as server:
        server.usage = [(97, 99), (99, 99), (0, 99)]
        contents, _ = await take(source(server, time=time), 4)
        assert len(server.asked(USAGE)) == 3
    # two posts were left; then nothing is read until X allows more
    assert [type(content) for content in contents] == [Post, Post, Gap, Post]
    assert ids(contents) == [0, 1, 5]
    assert time.waits == [0, 900, 900]
    assert counted(metrics.QUOTA_LIMIT, "x") == 99
    gap = contents[2]
    assert isinstance(gap, Gap)
    assert "99 posts of this month" in gap.reason


async def test_our_own_limit_holds_over_restarts_until_the_month_ends() -> None:
    time = Time()
    time.now = datetime(2026, 8, 31, 23, 40, tzinfo=UTC)
    saved = json.dumps({"at": "2026-08-31T23:40:00Z", "month": "2026-08", "read": 9})
    async with x([send(line(0), line(1)), stay], [send(line(2)), stay]) as server:
        contents, _ = await take(source(server, time=time, cursor=saved, monthly_posts=10, backfill_minutes=5), 3)
    assert [type(content) for content in contents] == [Post, Gap, Post]
    assert time.now.month == 9
    assert isinstance(contents[1], Gap)
    assert "TAGPULSE_X__MONTHLY_POSTS" in contents[1].reason


async def test_a_cut_behind_lines_that_waited_for_us_is_asked_for_from_the_last_of_them_on() -> None:
    time = Time()

    async def a_stall(connection: Connection) -> None:
        time.now += timedelta(seconds=200)
        await connection.chunk(line(1, id=tweet_id_of(NOW + timedelta(seconds=10))))

    async with x([send(line(0)), a_stall, a_stall, cut], [send(line(2)), stay]) as server:
        await take(source(server, time=time, backfill_minutes=5), 3)
        assert [request.query.get("backfill_minutes") for request in server.asked(STREAM)] == [None, ["5"]]


@pytest.mark.parametrize("usage", [[], [(7, 99)] * 9])
async def test_a_cap_that_x_names_is_waited_out_and_told_once(usage: list[tuple[int, int]]) -> None:
    """Also where X does not tell how many posts were read, or says that some are left."""
    time = Time()
    capped = (429, b'{"title":"UsageCapExceeded","period":"Monthly"}', {})
    ends = [send(b'{"errors":[{"title":"usage-cap-exceeded"}]}\r\n'), cut]
    async with x(capped, capped, ends, [send(line(0)), stay]) as server:
        server.usage = usage
        contents, _ = await take(source(server, time=time), 2)
    assert [type(content) for content in contents] == [Gap, Post]
    assert isinstance(contents[0], Gap)
    assert "UsageCapExceeded" in contents[0].reason
    assert [wait for wait in time.waits if wait == 900] == [900] * 3


async def test_x_is_asked_for_the_months_use_while_the_stream_stands() -> None:
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


async def test_deletions_of_what_was_kept_are_honoured() -> None:
    removals = send(removal(1), removal(9), removal(0, "drop"), removal(2, "undrop"), removal(1))
    seen = []

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


async def test_an_account_that_goes_takes_its_posts_with_it() -> None:
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
        ({"at": "2026-08-01T12:50:00Z"}, "5", (12, 50)),  # of an earlier version
        ({"at": "2026-08-01T12:58:00Z"}, "3", None),
    ],
)
async def test_deletions_are_asked_for_again_after_a_restart(
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
    told = [gap for gap in found if isinstance(gap, Gap) and gap.reason.startswith("deletions")]
    assert [gap.since for gap in told] == ([NOW.replace(hour=since[0], minute=since[1])] if since else [])
    assert counted(metrics.GAPS, "x") - gaps == len(found)


async def test_deletions_that_are_still_on_their_way_hold_the_cursor() -> None:
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


async def test_a_compliance_stream_that_says_why_it_ends_is_opened_again() -> None:
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


async def test_a_plan_without_compliance_streams_is_told() -> None:
    async with x([stay]) as server:
        with pytest.raises(Refused, match="TAGPULSE_X__COMPLIANCE"):
            await take(source(server, compliance=True), 1)


async def test_survives_what_cannot_be_read() -> None:
    frames = [
        b"{not json\r\n",
        b"\xff\xfe\r\n",
        b"[]\r\n",
        b'{"data":{"id":"no"}}\r\n',
        b"x" * (10 * 2**20) + b"\r\n",
        line(1),
    ]
    taped: list[bytes] = []
    async with x([send(*frames), stay]) as server:
        listening = source(server)
        listening.tape = lambda origin, frame: taped.append(frame)
        contents, _ = await take(listening, 6)
        assert len(server.asked(STREAM)) == 1
    assert [frame for frame in taped if frame] == [
        *(frame.strip() for frame in frames[:4]),
        b"x" * 4 * 2**20,
        line(1).strip(),
    ]
    reasons = [content.reason for content in contents if isinstance(content, Unreadable)]
    assert reasons == ["malformed", "malformed", "invalid", "invalid", "oversize"]
    assert ids(contents) == [1]


@pytest.mark.parametrize("cursor", ["", "5", "{}", '{"at":"never"}', '{"at":"2026-08-01T12:00:00"}'])
def test_a_cursor_that_is_none_is_refused(cursor: str) -> None:
    with pytest.raises(SettingsError, match="no cursor of X"):
        XSource(XSettings(token="t"), ["poltwt"], cursor=cursor)  # type: ignore[arg-type]


def test_needs_a_token_and_a_hashtag() -> None:
    with pytest.raises(SettingsError, match="TAGPULSE_X__TOKEN"):
        XSource(XSettings(), ["poltwt"])
    with pytest.raises(SettingsError, match="--tag"):
        XSource(XSettings(token="t"), [])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="TAGPULSE_X__TOKEN") as caught:
        XSettings(token="se cret")  # type: ignore[arg-type]
    assert "se cret" not in str(caught.value.errors()[0]["msg"])  # type: ignore[attr-defined]
