"""The X source against a server that speaks the API, with and without errors."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from streams import metrics
from streams.contracts import Gap, Post
from streams.errors import Refused, SettingsError
from streams.settings import XSettings
from streams.sources.base import MAX_FRAME_BYTES, Unreadable
from streams.sources.live import Timing
from streams.sources.x.source import XSource
from tests.helpers.feeds import counted, no_sleep, take
from tests.helpers.http_server import Connection, Request, http_server
from tests.helpers.x import (
    NOW,
    RULES,
    STREAM,
    TOKEN,
    Act,
    Time,
    cut,
    ids,
    line,
    send,
    source,
    stay,
    tweet_id_of,
    x,
)


async def test_it_creates_the_rules_of_the_campaign_and_listens() -> None:
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


async def test_existing_rules_are_left_alone() -> None:
    async with x([send(line(0)), stay]) as server:
        server.rules = {"1": {"value": "#poltwt", "tag": "tagpulse"}}
        await take(source(server), 1)
        assert [request.method for request in server.asked(RULES)] == ["GET"]


async def test_a_rule_that_x_refuses_ends_it() -> None:
    async with x([stay]) as server:
        server.refused_rules = {"#poltwt": "UnprocessableEntity"}
        with pytest.raises(Refused, match=r"rejected the rules .*UnprocessableEntity #poltwt"):
            await take(source(server), 1)


async def test_posts_found_by_other_rules_are_left_out() -> None:
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
async def test_a_disconnection_is_backfilled_if_the_plan_allows_it(end: Act) -> None:
    gaps, repeated = counted(metrics.GAPS, "x"), counted(metrics.FRAMES_REPEATED, "x")
    async with x([send(line(0), line(1)), end], [send(line(1), line(2), line(3)), stay]) as server:
        contents, _ = await take(source(server, backfill_minutes=5), 4)
        assert [request.query.get("backfill_minutes") for request in server.asked(STREAM)] == [None, ["1"]]
    assert ids(contents) == [0, 1, 2, 3]
    assert counted(metrics.GAPS, "x") == gaps
    assert counted(metrics.FRAMES_REPEATED, "x") - repeated == 1


async def test_a_disconnection_is_a_gap_if_the_plan_has_no_backfill(caplog: pytest.LogCaptureFixture) -> None:
    async with x([send(line(0)), cut], [send(line(5)), stay]) as server:
        contents, _ = await take(source(server), 3)
    assert [type(content) for content in contents] == [Post, Gap, Post]
    assert isinstance(contents[1], Gap)
    assert (contents[1].origin, contents[1].since) == (server.url.removeprefix("http://"), NOW)
    assert "BACKFILL_MINUTES" in contents[1].reason
    assert "gap in the feed" in caplog.text


async def test_it_resumes_from_a_saved_cursor_and_reports_the_loss() -> None:
    saved = json.dumps({"at": "2026-08-01T12:50:00Z", "month": "2026-08", "read": 41})
    async with x([send(line(0)), stay]) as server:
        listening = source(server, cursor=saved, backfill_minutes=5)
        contents, batches = await take(listening, 2)
        assert server.asked(STREAM)[0].query["backfill_minutes"] == ["5"]
    [gap] = [content for content in contents if isinstance(content, Gap)]
    assert gap.since == datetime(2026, 8, 1, 12, 50, tzinfo=UTC)
    assert batches[-1].cursor is not None
    # resent posts may still be in transit
    assert json.loads(batches[-1].cursor) == {"at": "2026-08-01T12:55:00Z", "month": "2026-08", "read": 42}
    assert listening.describe(batches[-1].cursor) == "2026-08-01T12:55:00+00:00"


@pytest.mark.parametrize("backfill_minutes", [0, 5])
async def test_a_cursor_in_the_future_is_a_gap(backfill_minutes: int) -> None:
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


async def test_a_disconnection_during_a_backfill_is_made_good() -> None:
    time = Time()
    away: list[Any] = [(503, b"", {})] * 5
    async with x([send(line(0)), cut], *away, [send(line(1)), cut], [send(line(1), line(2)), stay]) as server:
        contents, batches = await take(source(server, time=time, backfill_minutes=5), 3)
        assert [request.query.get("backfill_minutes") for request in server.asked(STREAM)][-2:] == [["4"], ["4"]]
        assert ids(contents) == [0, 1, 2]
        again, _ = await take(source(server, time=time, backfill_minutes=5, cursor=batches[-1].cursor), 2)
        assert server.asked(STREAM)[-1].query["backfill_minutes"] == ["4"]
    assert ids(again) == [1, 2]


async def test_keep_alives_advance_the_cursor() -> None:
    async with x([send(b"\r\n", b"\r\n", line(0)), stay]) as server:
        _, batches = await take(source(server), 1)
    assert len(batches) == 3
    assert [bool(batch.cursor) for batch in batches] == [True] * 3


@pytest.mark.parametrize(
    ("status", "setting"),
    [(400, "BACKFILL_MINUTES"), (401, "TAGPULSE_X__TOKEN"), (403, "TAGPULSE_X__TOKEN"), (404, "TAGPULSE_X__URL")],
)
async def test_a_permanent_refusal_ends_it(status: int, setting: str) -> None:
    async with x((status, b'{"title":"no"}', {})) as server:
        with pytest.raises(Refused, match=f"HTTP {status}.*{setting}") as caught:
            await take(source(server), 1)
    assert TOKEN not in str(caught.value)


async def test_redirects_are_followed_within_the_host() -> None:
    async with x((307, b"", {"location": STREAM}), [send(line(0)), stay]) as server:
        contents, _ = await take(source(server), 1)
        assert len(server.asked(STREAM)) == 2
    assert ids(contents) == [0]


async def test_a_redirect_loop_is_a_temporary_error() -> None:
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


async def test_a_wrong_token_is_reported_at_once() -> None:
    async with x([stay]) as server:
        listening = XSource(XSettings(url=server.url, token="wrong"), ["poltwt"], timing=Timing(sleep=no_sleep))
        with pytest.raises(Refused, match="TAGPULSE_X__TOKEN"):
            await take(listening, 1)


async def test_each_kind_of_error_has_its_own_back_off() -> None:
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
        (429, b"{}", {"x_rate_limit_reset": "9999999999"}),  # the clock is wrong by years
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


async def test_after_a_stall_the_backfill_starts_at_the_last_buffered_line() -> None:
    time = Time()

    async def a_stall(connection: Connection) -> None:
        time.now += timedelta(seconds=200)
        await connection.chunk(line(1, id=tweet_id_of(NOW + timedelta(seconds=10))))

    async with x([send(line(0)), a_stall, a_stall, cut], [send(line(2)), stay]) as server:
        await take(source(server, time=time, backfill_minutes=5), 3)
        assert [request.query.get("backfill_minutes") for request in server.asked(STREAM)] == [None, ["5"]]


async def test_it_survives_unreadable_lines() -> None:
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
        listening.recorder = lambda origin, frame: taped.append(frame)
        contents, _ = await take(listening, 6)
        assert len(server.asked(STREAM)) == 1
    assert [frame for frame in taped if frame] == [
        *(frame.strip() for frame in frames[:4]),
        b"x" * MAX_FRAME_BYTES,
        line(1).strip(),
    ]
    reasons = [content.reason for content in contents if isinstance(content, Unreadable)]
    assert reasons == ["malformed", "malformed", "invalid", "invalid", "oversize"]
    assert ids(contents) == [1]


@pytest.mark.parametrize("cursor", ["", "5", "{}", '{"at":"never"}', '{"at":"2026-08-01T12:00:00"}'])
def test_an_invalid_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(SettingsError, match="not an X cursor"):
        XSource(XSettings(token="t"), ["poltwt"], cursor=cursor)


def test_it_needs_a_token_and_a_hashtag() -> None:
    with pytest.raises(SettingsError, match="TAGPULSE_X__TOKEN"):
        XSource(XSettings(), ["poltwt"])
    with pytest.raises(SettingsError, match="--tag"):
        XSource(XSettings(token="t"), [])
    with pytest.raises(ValueError, match="TAGPULSE_X__TOKEN") as caught:
        XSettings(token="se cret")
    assert "se cret" not in str(caught.value.errors()[0]["msg"])  # type: ignore[attr-defined]
