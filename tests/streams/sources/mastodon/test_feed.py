"""The feed of a hashtag on a Mastodon instance, through cuts, restarts, refusals and errors."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import UTC, datetime

import pytest

from streams import metrics
from streams.contracts import Deletion, Gap, Post
from streams.errors import Refused
from streams.settings import MastodonSettings
from streams.sources import http
from streams.sources.live import Timing
from streams.sources.mastodon.source import MastodonSource
from tests.helpers.feeds import counted, no_sleep, numbers, take
from tests.helpers.http_server import Connection, Request, http_server
from tests.helpers.mastodon import NOW, TOKEN, Act, cut, event, mastodon, send, source, status, stay, update


@pytest.mark.parametrize("how", ["cut", "in_mid_event", "in_mid_character"])
async def test_a_disconnection_loses_and_duplicates_nothing(how: str) -> None:
    async def in_mid_event(connection: Connection) -> None:
        await connection.chunk(update(5)[:60])
        connection.cut()

    async def in_mid_character(connection: Connection) -> None:
        whole = update(5, text="#poltwt é")
        await connection.chunk(whole[: whole.index("é".encode()) + 1])
        connection.cut()

    end: Act = {"cut": cut, "in_mid_event": in_mid_event, "in_mid_character": in_mid_character}[how]
    gaps = counted(metrics.GAPS, "mastodon")
    timeline = [status(number) for number in range(100)]
    streams = [send(*(update(number) for number in range(5))), end], [send(update(98), update(99), update(100)), stay]
    async with mastodon(*streams, missed=timeline) as server:
        contents, _ = await take(source(server), 101)
        # pages of 40 posts, oldest first, until there are no more; posts repeated by the stream are recognised
        assert server.pages == ["0", "1004", "1044", "1084", "1099"]
    assert numbers(contents) == list(range(101))
    assert counted(metrics.GAPS, "mastodon") == gaps


async def test_it_resumes_from_a_saved_cursor() -> None:
    async with mastodon([send(update(50)), stay], timeline=[status(number) for number in range(50)]) as server:
        host = server.url.removeprefix("http://")
        cursor = json.dumps({f"{host} poltwt": {"id": "1039", "at": "2026-08-01T12:30:00Z"}})
        contents, _ = await take(source(server, cursor=cursor), 11)
        assert server.pages == ["1039", "1049"]
    assert numbers(contents) == list(range(40, 51))


async def test_posts_federated_late_during_a_disconnection_are_not_lost() -> None:
    gaps = counted(metrics.GAPS, "mastodon")
    # 3 and 4 arrived during the disconnection; their ids are from the time when they were written
    streams = [send(update(0), update(1), update(2), update(5)), cut], [send(update(4), update(9)), stay]
    async with mastodon(*streams, missed=[status(number) for number in range(9)]) as server:
        contents, _ = await take(source(server), 10)
    assert numbers(contents) == [0, 1, 2, 5, 3, 4, 6, 7, 8, 9]
    assert counted(metrics.GAPS, "mastodon") == gaps


async def test_after_a_restart_the_last_15_minutes_are_repeated_with_late_posts() -> None:
    timeline = [status(number) for number in (10, 299, 301, 900, 901)]  # one post per second
    async with mastodon([send(update(10), update(902)), stay], timeline=timeline) as server:
        host = server.url.removeprefix("http://")
        cursor = json.dumps({f"{host} poltwt": {"id": "1900", "at": "2026-08-01T12:20:00Z"}})
        contents, _ = await take(source(server, cursor=cursor), 4)
    assert numbers(contents) == [301, 900, 901, 902]


@pytest.mark.parametrize("existing", [0, 5, 60])
async def test_a_disconnection_before_the_first_post_loses_none_and_adds_no_older_one(existing: int) -> None:
    posted = [status(number) for number in range(existing + 4)]
    streams: list[list[Act]] = [[cut], [send(update(existing + 4)), stay]]
    async with mastodon(*streams, timeline=posted[:existing], missed=posted[existing:]) as server:
        contents, _ = await take(source(server), 5)
    assert numbers(contents) == list(range(existing, existing + 5))


async def test_a_restart_before_the_first_post_loses_none() -> None:
    missed = [status(number) for number in range(5, 8)]
    async with mastodon([stay], timeline=[status(number) for number in range(5)]) as server:
        async with contextlib.aclosing(source(server).batches()) as batches:  # type: ignore[type-var]
            first = await anext(batches)
        assert first.contents == []
        server.timeline += missed
        contents, _ = await take(source(server, cursor=first.cursor), 3)
    assert numbers(contents) == [5, 6, 7]


@pytest.mark.parametrize("posts", [79, 80])
async def test_missed_posts_within_the_limit_are_not_a_gap(posts: int) -> None:
    gaps = counted(metrics.GAPS, "mastodon")
    streams = [send(update(0)), cut], [send(update(500)), stay]
    async with mastodon(*streams, missed=[status(number) for number in range(posts + 1)]) as server:
        contents, _ = await take(source(server, backfill_posts=80), posts + 2)
    assert numbers(contents) == [*range(posts + 1), 500]
    assert counted(metrics.GAPS, "mastodon") == gaps


async def test_a_gap_too_wide_to_fetch_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    gaps = counted(metrics.GAPS, "mastodon")
    streams = [send(update(0)), cut], [send(update(500)), stay]
    async with mastodon(*streams, missed=[status(number) for number in range(400)]) as server:
        contents, _ = await take(source(server, backfill_posts=80), 83)
    found = [content for content in contents if isinstance(content, Gap)]
    assert numbers(contents) == [0, *range(1, 81), 500]
    assert [(gap.source, gap.since, gap.found_at) for gap in found] == [("mastodon", NOW, NOW)]
    assert "BACKFILL_POSTS" in found[0].reason
    assert "gap in the feed" in caplog.text
    assert counted(metrics.GAPS, "mastodon") - gaps == 1


async def test_edits_and_deletions_during_a_disconnection_are_noticed() -> None:
    edited = status(1, text="better #poltwt", edited_at="2026-08-01T13:00:30.000Z")
    streams = [send(*(update(number) for number in range(6))), cut], [send(update(9)), stay]
    # of the posts that were read, 1 was edited, 2 was deleted, and the timeline omits 3 for some other reason
    timeline = [status(0), edited, status(4), status(5)]
    async with mastodon(*streams, missed=timeline) as server:
        server.hidden = [status(3)]
        contents, _ = await take(source(server), 9)
    assert [(type(content), number) for content, number in zip(contents, numbers(contents), strict=True)] == [
        *((Post, number) for number in range(6)), (Post, 1), (Deletion, 2), (Post, 9),
    ]  # fmt: skip
    assert isinstance(contents[6], Post)
    assert contents[6].text == "better #poltwt"


async def test_deletions_of_posts_from_an_earlier_run_are_understood() -> None:
    frames = [
        event("delete", "1007"),
        event("status.update", status(8, edited_at="2026-08-01T14:00:00.000Z")),
        update(20),
    ]
    async with mastodon([send(*frames), stay], timeline=[status(number) for number in range(20)]) as server:
        host = server.url.removeprefix("http://")
        cursor = json.dumps({f"{host} poltwt": {"id": "1019", "at": "2026-08-01T12:30:00Z"}})
        contents, _ = await take(source(server, cursor=cursor), 3)
    assert [(type(content), number) for content, number in zip(contents, numbers(contents), strict=True)] == [
        (Deletion, 7), (Post, 8), (Post, 20),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "setting"),
    [(401, "TAGPULSE_MASTODON__TOKENS"), (403, "TAGPULSE_MASTODON__TOKENS"), (404, "TAGPULSE_MASTODON__INSTANCES")],
)
async def test_a_permanent_refusal_ends_it(code: int, setting: str) -> None:
    async with mastodon(code) as server:
        with pytest.raises(Refused, match=f"responded with HTTP {code}: check {setting}") as caught:
            await take(source(server), 1)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("code", [401, 403, 404])
async def test_an_instance_that_refuses_is_reported_once_and_the_others_continue(
    code: int, caplog: pytest.LogCaptureFixture
) -> None:
    gaps = counted(metrics.GAPS, "mastodon")
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    streams = [send(update(1)), cut], [send(update(2)), stay]
    async with mastodon(code, code, *streams, missed=[status(1)]) as one, mastodon([send(update(0)), stay]) as two:
        settings = MastodonSettings(instances=f"{one.url},{two.url}")
        contents, _ = await take(MastodonSource(settings, ["poltwt"], timing=Timing(now=lambda: NOW, sleep=sleep)), 4)
        [gap] = [content for content in contents if isinstance(content, Gap)]
        assert gap.reason.startswith(f"#poltwt: {one.url} responded with HTTP {code}: check TAGPULSE_MASTODON__")
        assert (gap.origin, gap.source) == (one.url.removeprefix("http://"), "mastodon")
    assert sorted(numbers(contents)) == [0, 1, 2]
    assert waits[:2] == [900.0, 900.0]
    assert counted(metrics.GAPS, "mastodon") - gaps == 1
    assert caplog.text.count(f"responded with HTTP {code}") == 1
    assert [record.levelname for record in caplog.records if f"responded with HTTP {code}" in record.message] == [
        "ERROR"
    ]


async def test_it_ends_when_all_instances_refuse() -> None:
    async with mastodon(401) as one, mastodon(404) as two:
        with pytest.raises(Refused, match=r"responded with HTTP 40[14]: check TAGPULSE_MASTODON__"):
            await take(source(one, two, tags=("poltwt", "k9")), 5)


async def test_temporary_errors_and_rate_limits_are_waited_out() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with mastodon(503, [send(update(0)), cut], [send(update(1)), stay], missed=[status(0)]) as server:
        server.failing["/api/v1/timelines/tag/poltwt"] = [
            (429, {"X_RateLimit_Reset": "2026-08-01T13:02:05.000Z"}),
            (429, {"X_RateLimit_Reset": "2199-01-01T00:00:00Z"}),  # the clock is wrong by years
            (429, {"Retry_After": "7"}),
            (500, {}),
        ]
        server.failing["/api/v1/streaming/hashtag"] = [(429, {"X_RateLimit_Reset": "2026-08-01T13:00:40.000Z"})]
        settings = MastodonSettings(instances=server.url)
        listening = MastodonSource(
            settings, ["poltwt"], timing=Timing(now=lambda: NOW, sleep=sleep, jitter=lambda: 1.0)
        )
        contents, _ = await take(listening, 2)
    assert numbers(contents) == [0, 1]
    assert waits == [125.0, 900.0, 7.0, 4.0, 40.0, 16.0, 0.5]


async def test_an_old_instance_streams_from_its_own_host() -> None:
    async with mastodon([send(update(0)), stay]) as server:
        server.failing["/api/v2/instance"] = [(404, {})]
        contents, _ = await take(source(server), 1)
    assert numbers(contents) == [0]


@pytest.mark.parametrize("path", ["/api/v2/instance", "/api/v1/timelines/tag/poltwt", "/api/v1/streaming/hashtag"])
@pytest.mark.parametrize("pause", [0.02, 0.0])
async def test_endless_headers_are_given_up(path: str, pause: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "OPEN_SECONDS", 0.3)
    monkeypatch.setattr(http, "ANSWER_SECONDS", 0.3)
    tried = 0

    async with mastodon([send(update(0)), stay]) as server:

        async def handle(request: Request, connection: Connection) -> None:
            nonlocal tried
            if request.path != path or tried == 2:
                await server.handle(request, connection)
                return
            tried += 1
            await connection.send(b"HTTP/1.1 200 OK\r\n")
            while True:
                await connection.send(b"X-More: and more\r\n")
                await asyncio.sleep(pause)

        async with http_server(handle) as url:
            server.url = url
            contents, _ = await take(source(server), 1)
    assert tried == 2
    assert numbers(contents) == [0]


async def test_the_local_clock_may_be_wrong_by_years_and_then_corrected() -> None:
    clock = datetime(2199, 1, 1, tzinfo=UTC)
    was_read = asyncio.Event()

    async def set_right(connection: Connection) -> None:
        await was_read.wait()
        connection.cut()

    edited = status(0, text="better #poltwt", edited_at="2026-08-01T12:30:00.000Z")
    streams = [send(update(0), update(5)), set_right], [send(update(9)), stay]
    async with mastodon(*streams, missed=[edited, status(3), status(5), status(7)]) as server:
        settings = MastodonSettings(instances=server.url)
        listening = MastodonSource(settings, ["poltwt"], timing=Timing(now=lambda: clock, sleep=no_sleep))
        found: list[int] = []
        async with contextlib.aclosing(listening.batches()) as reading:  # type: ignore[type-var]
            async for batch in reading:
                found += numbers(batch.contents)
                if found == [0, 5]:
                    cursor, clock = batch.cursor, NOW
                    was_read.set()
                if 9 in found:
                    break
        assert found == [0, 5, 0, 3, 7, 9]
        # 2026-08-01T12:00:09, at 13:00
        assert counted(metrics.SOURCE_BEHIND, "mastodon") == 3591
        assert cursor is not None
        assert "2199" in cursor
        contents, _ = await take(source(server, cursor=cursor), 5)
    assert numbers(contents) == [0, 3, 5, 7, 9]
