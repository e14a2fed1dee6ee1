"""The Bluesky source against a server that speaks the Jetstream protocol, with and without errors."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from streams import metrics
from streams.contracts import Deletion, Gap, Post
from streams.errors import Refused
from streams.settings import BlueskySettings
from streams.sources.base import Batch, Content, Unreadable
from streams.sources.bluesky.source import BlueskySource
from streams.sources.live import Timing
from tests.helpers.feeds import counted
from tests.helpers.jetstream import (
    BEGIN_US,
    VERSION_2,
    Act,
    Jetstream,
    cut_in_mid_frame,
    frame,
    info,
    jetstream,
    message,
    send,
    stay,
)

REWIND_US = 5_000_000


async def no_sleep(seconds: float) -> None:
    await asyncio.sleep(0)


def source(server: Jetstream, cursor: int | None = None, **settings: Any) -> BlueskySource:
    return BlueskySource(
        BlueskySettings(url=server.url, profiles=False, **({"urls": ""} | settings)),
        ["poltwt"],
        cursor=None if cursor is None else str(cursor),
        timing=Timing(sleep=no_sleep, jitter=lambda: 0.0),
    )


async def take(listening: BlueskySource, count: int) -> tuple[list[Content], list[Batch]]:
    """Read until at least `count` contents have arrived."""
    contents: list[Content] = []
    batches: list[Batch] = []
    async with asyncio.timeout(60), contextlib.aclosing(listening.batches()) as reading:  # type: ignore[type-var]
        async for batch in reading:
            batches.append(batch)
            contents += batch.contents
            if len([content for content in contents if not isinstance(content, Gap)]) >= count:
                break
    return contents, batches


def numbers(contents: list[Content]) -> list[int]:
    return [int(content.id.rpartition("/")[2]) for content in contents if isinstance(content, Post | Deletion)]


async def close(socket: ServerConnection) -> None:
    await socket.close(1000, "ConsumerTooSlow")


async def test_only_posts_are_requested_and_those_with_the_hashtag_kept() -> None:
    before = counted(metrics.FILTERED, "bluesky")
    frames = [frame(number, text="#poltwt" if number % 3 == 0 else "#other") for number in range(10)]
    async with jetstream([send(*frames), stay]) as server:
        contents, batches = await take(source(server), 4)
        assert server.queries == [{"wantedCollections": ["app.bsky.feed.post", "app.bsky.feed.repost"]}]
    assert numbers(contents) == [0, 3, 6, 9]
    assert [batch.cursor for batch in batches] == [str(BEGIN_US + number * 100_000) for number in (0, 3, 6, 9)]
    assert counted(metrics.FILTERED, "bluesky") - before == 6


@pytest.mark.parametrize("cut", [cut_in_mid_frame, close])
async def test_a_disconnection_loses_and_duplicates_nothing(cut: Act) -> None:
    gaps = counted(metrics.GAPS, "bluesky")
    first = [frame(number) for number in range(100)]
    # resuming from the cursor, the server repeats what it sent shortly before the disconnection
    second = [frame(number) for number in range(50, 150)]
    async with jetstream([send(*first), cut], [send(*second), stay]) as server:
        contents, _ = await take(source(server), 150)
        assert server.cursors == [None, BEGIN_US + 99 * 100_000 - REWIND_US]
    assert numbers(contents) == list(range(150))
    assert counted(metrics.GAPS, "bluesky") == gaps


async def test_it_resumes_shortly_before_a_saved_cursor() -> None:
    async with jetstream([send(frame(0), frame(1)), stay]) as server:
        contents, _ = await take(source(server, BEGIN_US, rewind_seconds=2.5), 2)
        assert server.cursors == [BEGIN_US - 2_500_000]
    assert numbers(contents) == [0, 1]


async def test_a_clamped_cursor_is_a_gap(caplog: pytest.LogCaptureFixture) -> None:
    before = counted(metrics.GAPS, "bluesky")
    async with jetstream([send(frame(0), frame(1)), stay]) as server:
        contents, _ = await take(source(server, BEGIN_US - 3_600_000_000), 2)
    assert numbers(contents) == [0, 1]
    assert counted(metrics.GAPS, "bluesky") - before == 1
    assert "since 2026-08-01T11:00:00+00:00" in caplog.text
    assert [content.since for content in contents if isinstance(content, Gap)] == [datetime(2026, 8, 1, 11, tzinfo=UTC)]


async def refuse_cursor(socket: ServerConnection) -> None:
    await socket.send('{"error":"CursorTooOld","message":"look-back is 36 hours"}')


async def close_for_cursor(socket: ServerConnection) -> None:
    await socket.close(1008, "CursorTooOld")


@pytest.mark.parametrize("refusal", [refuse_cursor, close_for_cursor])
async def test_a_refused_cursor_is_a_gap_and_the_feed_continues(refusal: Act, caplog: pytest.LogCaptureFixture) -> None:
    before = counted(metrics.GAPS, "bluesky")
    async with jetstream([refusal], [send(frame(5)), stay]) as server:
        contents, _ = await take(source(server, BEGIN_US), 1)
        assert server.cursors == [BEGIN_US - REWIND_US, None]
    assert numbers(contents) == [5]
    assert counted(metrics.GAPS, "bluesky") - before == 1
    assert "CursorTooOld" in caplog.text


async def test_it_survives_unreadable_frames() -> None:
    broken = [b"{not json #poltwt}", frame(1)[:-9] + b"}", b"[]", b'{"kind":"commit","did":5,"x":"#poltwt #tag"}']
    async with jetstream([send(frame(0), *broken, frame(2)), stay]) as server:
        contents, _ = await take(source(server), 6)
        assert len(server.queries) == 1
    assert numbers(contents) == [0, 2]
    assert [content.value for content in contents if isinstance(content, Unreadable)] == broken


async def test_a_frame_of_any_size_is_skipped_with_a_gap() -> None:
    malformed, gaps = counted(metrics.MALFORMED, "bluesky"), counted(metrics.GAPS, "bluesky")
    huge = frame(1, text="x" * (17 * 2**20))
    async with jetstream([send(frame(0), huge)], [send(frame(2)), stay]) as server:
        contents, _ = await take(source(server), 2)
        assert server.cursors == [None, None]
    assert numbers(contents) == [0, 2]
    assert (counted(metrics.MALFORMED, "bluesky") - malformed, counted(metrics.GAPS, "bluesky") - gaps) == (1, 1)


async def test_deletions_and_updates_are_honoured() -> None:
    frames = [frame(0), frame(1), frame(0, operation="update", text="#poltwt!"), frame(1, operation="delete")]
    frames += [frame(2), frame(2, operation="update", text="no tag")]
    async with jetstream([send(*frames, *frames), stay]) as server:
        contents, _ = await take(source(server), 6)
    assert [type(content) for content in contents] == [Post, Post, Post, Deletion, Post, Deletion]
    assert numbers(contents) == [0, 1, 0, 1, 2, 2]
    assert isinstance(contents[2], Post)
    assert contents[2].edited_at is not None


async def test_it_reports_its_progress_while_nothing_matches() -> None:
    async def others(socket: ServerConnection) -> None:
        for number in range(1_000):
            await socket.send(frame(number, text="#other"), text=True)
            await asyncio.sleep(0.005)

    async with jetstream([others, stay]) as server:
        batches = source(server, silence_seconds=0.2).batches()
        batch = await asyncio.wait_for(anext(batches), 10)
        await batches.aclose()  # type: ignore[attr-defined]
    assert batch.contents == []
    assert batch.cursor is not None
    assert int(batch.cursor) > BEGIN_US


@pytest.mark.parametrize("status", [HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND])
async def test_a_permanent_refusal_ends_it(status: HTTPStatus) -> None:
    async with jetstream(status) as server:
        with pytest.raises(Refused, match=f"responded with HTTP {status.value}: check TAGPULSE_BLUESKY__URL"):
            await take(source(server), 1)


async def test_temporary_errors_are_retried_with_growing_pauses() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    reconnects = counted(metrics.RECONNECTS, "bluesky")
    troubles = [HTTPStatus.SERVICE_UNAVAILABLE] * 4 + [HTTPStatus.TOO_MANY_REQUESTS]
    async with jetstream(*troubles, [send(frame(0)), close], [send(frame(1)), stay]) as server:
        settings = BlueskySettings(url=server.url, profiles=False, max_backoff_seconds=3)
        contents, _ = await take(BlueskySource(settings, ["poltwt"], timing=Timing(sleep=sleep, jitter=lambda: 1.0)), 2)
    assert numbers(contents) == [0, 1]
    assert waits == [0.5, 1, 2, 3, 3, 0.5]
    assert counted(metrics.RECONNECTS, "bluesky") - reconnects == 6


async def test_a_rate_limit_is_waited_out_and_another_server_tried_at_once() -> None:
    now = datetime(2026, 8, 1, 12, tzinfo=UTC)
    limit = (HTTPStatus.TOO_MANY_REQUESTS, "slowly", {"Retry-After": "Sat, 01 Aug 2026 12:01:30 GMT"})
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    def listening(url: str, urls: str = "") -> BlueskySource:
        settings = BlueskySettings(url=url, urls=urls, profiles=False)
        return BlueskySource(settings, ["poltwt"], timing=Timing(sleep=sleep, jitter=lambda: 0.0, now=lambda: now))

    async with jetstream(limit, [send(frame(0)), stay]) as one:
        await take(listening(one.url), 1)
    assert waits == [90]
    async with jetstream(limit) as one, jetstream([send(frame(0)), stay]) as two:
        await take(listening(one.url, two.url), 1)
    assert waits[1:] == [0.25]


IN_2199_US = 7_226_582_400_000_000


async def test_a_frame_with_a_wrong_time_does_not_move_the_cursor() -> None:
    frames = [frame(0), frame(1, at_us=IN_2199_US), frame(2)]
    async with jetstream([send(*frames), close], [send(frame(3)), stay]) as server:
        contents, batches = await take(source(server), 4)
        assert server.cursors == [None, BEGIN_US + 2 * 100_000 - REWIND_US]
    assert numbers(contents) == [0, 1, 2, 3]
    assert [batch.cursor for batch in batches] == [str(BEGIN_US + number * 100_000) for number in (0, 0, 2, 3)]


async def test_if_all_frames_agree_the_local_clock_may_be_wrong() -> None:
    async with jetstream([send(frame(0), frame(1), frame(2)), stay]) as server:
        listening = BlueskySource(
            BlueskySettings(url=server.url, profiles=False),
            ["poltwt"],
            timing=Timing(now=lambda: datetime(2009, 1, 1, tzinfo=UTC)),
        )
        _, batches = await take(listening, 3)
    assert [batch.cursor for batch in batches] == [None, str(BEGIN_US + 100_000), str(BEGIN_US + 200_000)]


async def test_a_saved_cursor_in_the_future_is_a_gap() -> None:
    async with jetstream([send(frame(0)), stay]) as server:
        contents, batches = await take(source(server, IN_2199_US), 1)
        assert server.cursors == [None]
    assert [type(content) for content in contents] == [Gap, Post]
    assert batches[-1].cursor == str(BEGIN_US)


async def test_it_waits_for_a_server_that_is_not_up_yet() -> None:
    async with jetstream([stay]) as gone:
        url = gone.url
    waits: list[float] = []
    tried = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            tried.set()
            await asyncio.sleep(60)

    listening = BlueskySource(
        BlueskySettings(url=url, profiles=False), [], timing=Timing(sleep=sleep, jitter=lambda: 0.0)
    )
    task = asyncio.ensure_future(anext(listening.batches()))
    await asyncio.wait_for(tried.wait(), 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert waits == [0.25, 0.5, 1.0]


def cursor_of(number: int, server: Jetstream) -> str:
    return f"{BEGIN_US + number * 100_000} {100 + number} {server.url.split('/')[2]}"


async def test_version_2_resumes_from_the_number_of_the_last_frame() -> None:
    gaps = counted(metrics.GAPS, "bluesky")
    first, second = [message(0), message(1)], [message(1), message(2)]
    async with jetstream([send(*first), close], [send(*second), stay], path=VERSION_2) as server:
        contents, batches = await take(source(server), 3)
        assert server.queries[0] == {
            "collections": ["app.bsky.feed.post", "app.bsky.feed.repost"],
            "kinds": ["commit", "account"],
        }
        assert server.cursors == [None, 101]
        assert batches[-1].cursor == cursor_of(2, server)
    assert numbers(contents) == [0, 1, 2]
    assert counted(metrics.GAPS, "bluesky") == gaps


async def test_a_number_too_old_for_version_2_is_a_gap_before_what_is_left() -> None:
    gaps = counted(metrics.GAPS, "bluesky")
    refusal = (HTTPStatus.BAD_REQUEST, '{"error":"CursorTooOld","message":"floor is 5000"}')
    async with jetstream(refusal, [send(info("OutdatedCursor"), message(5)), stay], path=VERSION_2) as server:
        listening = BlueskySource(
            BlueskySettings(url=server.url, profiles=False),
            ["poltwt"],
            cursor=cursor_of(0, server),
            timing=Timing(sleep=no_sleep, jitter=lambda: 0.0),
        )
        contents, _ = await take(listening, 1)
        assert server.cursors == [100, BEGIN_US - REWIND_US]
    assert [type(content) for content in contents] == [Gap, Post]
    assert counted(metrics.GAPS, "bluesky") - gaps == 1


async def test_version_2_with_another_archive_resumes_by_time() -> None:
    async with jetstream([send(info("FutureCursor"), message(9))], [send(message(1)), stay], path=VERSION_2) as server:
        listening = BlueskySource(
            BlueskySettings(url=server.url, profiles=False),
            ["poltwt"],
            cursor=cursor_of(0, server),
            timing=Timing(sleep=no_sleep, jitter=lambda: 0.0),
        )
        contents, _ = await take(listening, 1)
        assert server.cursors == [100, BEGIN_US - REWIND_US]
    assert numbers(contents) == [1]


async def test_another_server_resumes_by_time() -> None:
    down = HTTPStatus.SERVICE_UNAVAILABLE
    async with (
        jetstream([send(message(0), message(1)), close], down, path=VERSION_2) as one,
        jetstream([send(frame(1), frame(2)), close], [send(frame(3)), stay]) as two,
    ):
        settings = BlueskySettings(url=one.url, urls=two.url, profiles=False)
        listening = BlueskySource(settings, ["poltwt"], timing=Timing(sleep=no_sleep, jitter=lambda: 0.0))
        contents, _ = await take(listening, 4)
        # the first server got a second chance; the second one resumes by time, with a margin for its delay
        assert one.cursors == [None, 101]
        assert two.cursors == [BEGIN_US + 100_000 - 30_000_000, BEGIN_US + 200_000 - REWIND_US]
    assert numbers(contents) == [0, 1, 2, 3]


async def test_only_a_refusal_from_all_servers_ends_it() -> None:
    async with jetstream(HTTPStatus.NOT_FOUND) as one, jetstream(HTTPStatus.FORBIDDEN) as two:
        settings = BlueskySettings(url=one.url, urls=two.url, profiles=False)
        with pytest.raises(Refused, match="TAGPULSE_BLUESKY__URLS"):
            await take(BlueskySource(settings, [], timing=Timing(sleep=no_sleep)), 1)
        assert (len(one.queries), len(two.queries)) == (1, 1)


def test_public_servers_only_replace_each_other() -> None:
    assert len(BlueskySettings().servers) == 4
    assert BlueskySettings(url="wss://own.example/subscribe").servers == ("wss://own.example/subscribe",)
    assert len(BlueskySettings(urls="").servers) == 1
    with pytest.raises(ValueError, match="TAGPULSE_BLUESKY__URLS"):
        BlueskySettings(urls="https://x")
