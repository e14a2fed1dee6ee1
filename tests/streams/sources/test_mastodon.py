"""The Mastodon source against instances that speak the protocol, on good and bad days."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from streams import metrics
from streams.contracts import Deletion, Gap, Post
from streams.errors import Refused, SettingsError
from streams.settings import MastodonSettings
from streams.sources.base import Unreadable
from streams.sources.mastodon import MastodonSource
from tests.helpers.feeds import counted, no_sleep, numbers, take
from tests.helpers.http_server import Connection, Request, http_server
from tests.helpers.mastodon import TOKEN, Act, Mastodon, cut, event, mastodon, send, status, stay, update

NOW = datetime(2026, 8, 1, 13, tzinfo=UTC)


def source(
    *servers: Mastodon, tags: tuple[str, ...] = ("poltwt",), cursor: str | None = None, **settings: Any
) -> MastodonSource:
    hosts = ",".join(server.url for server in servers)
    tokens = ",".join(f"{server.url.removeprefix('http://')}={TOKEN}" for server in servers)
    return MastodonSource(
        MastodonSettings(instances=hosts, tokens=tokens, **settings),
        tags,
        cursor=cursor,
        now=lambda: NOW,
        sleep=no_sleep,
        jitter=lambda: 0.0,
    )


async def test_listens_where_the_instance_says_with_its_token() -> None:
    async with mastodon([send(update(0), update(1)), stay]) as streaming, mastodon() as instance:
        instance.streaming_url = streaming.url
        contents, batches = await take(source(instance), 2)
        assert [request.path for request in instance.requests] == ["/api/v2/instance"]
        [asked] = streaming.streams
    assert asked.query == {"tag": ["poltwt"]}
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert numbers(contents) == [0, 1]
    assert batches[-1].cursor is not None
    assert list(json.loads(batches[-1].cursor).values()) == [{"id": "1001", "at": "2026-08-01T13:00:00Z"}]


async def test_the_same_post_through_two_instances_counts_once() -> None:
    repeated = counted(metrics.FRAMES_REPEATED, "mastodon")
    here = [update(number) for number in range(20)]
    there = [update(number, id=str(9000 + number), account={"acct": "anna@example.social"}) for number in range(20)]
    async with mastodon([send(*here), stay]) as one, mastodon([send(*there, update(99)), stay]) as two:
        listening = source(one, two)
        contents, _ = await take(listening, 21)
    assert sorted(numbers(contents)) == [*range(20), 99]
    assert {content.author for content in contents if isinstance(content, Post)} == {"anna@example.social"}
    assert counted(metrics.FRAMES_REPEATED, "mastodon") - repeated >= 19


async def test_listens_to_several_hashtags() -> None:
    async with mastodon([send(update(0)), stay], [send(update(1, text="#k9", tags=[])), stay]) as server:
        contents, _ = await take(source(server, tags=("poltwt", "#K9")), 2)
        assert sorted(request.query["tag"][0] for request in server.streams) == ["k9", "poltwt"]
    assert sorted(numbers(contents)) == [0, 1]


@pytest.mark.parametrize("how", ["cut", "in_mid_event", "in_mid_character"])
async def test_a_cut_loses_and_doubles_nothing(how: str) -> None:
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
    async with mastodon(*streams, timeline=timeline) as server:
        contents, _ = await take(source(server), 101)
        # pages of 40 posts, oldest first, until there are no more; what the stream repeats is known
        assert server.pages == ["1004", "1044", "1084", "1099"]
    assert numbers(contents) == list(range(101))
    assert counted(metrics.GAPS, "mastodon") == gaps


async def test_goes_on_from_a_saved_cursor() -> None:
    async with mastodon([send(update(50)), stay], timeline=[status(number) for number in range(50)]) as server:
        host = server.url.removeprefix("http://")
        cursor = json.dumps({f"{host} poltwt": {"id": "1039", "at": "2026-08-01T12:30:00Z"}})
        contents, _ = await take(source(server, cursor=cursor), 11)
        assert server.pages == ["1039", "1049"]
    assert numbers(contents) == list(range(40, 51))


async def test_a_gap_too_wide_to_fetch_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    gaps = counted(metrics.GAPS, "mastodon")
    streams = [send(update(0)), cut], [send(update(500)), stay]
    async with mastodon(*streams, timeline=[status(number) for number in range(400)]) as server:
        contents, _ = await take(source(server, backfill_posts=80), 83)
    found = [content for content in contents if isinstance(content, Gap)]
    assert numbers(contents) == [0, *range(1, 81), 500]
    assert [(gap.source, gap.since, gap.found_at) for gap in found] == [("mastodon", NOW, NOW)]
    assert "BACKFILL_POSTS" in found[0].reason
    assert "gap in the feed" in caplog.text
    assert counted(metrics.GAPS, "mastodon") - gaps == 1


async def test_honours_edits_and_deletions_whatever_their_order() -> None:
    late = "2026-08-01T12:30:00.000Z"
    frames = [
        update(0),
        event("status.update", status(0, text="better #poltwt", edited_at=late)),
        update(0),  # an older version comes late
        update(1),
        event("delete", "1001"),
        event("delete", "1001"),
        event("delete", "1002"),  # before its post
        update(2),
        update(3),
        event("status.update", status(3, text="no tag", tags=[], edited_at=late)),
    ]
    async with mastodon([send(*frames, update(9)), stay]) as server:
        contents, _ = await take(source(server), 7)
    assert [(type(content), number) for content, number in zip(contents, numbers(contents), strict=True)] == [
        (Post, 0), (Post, 0), (Post, 1), (Deletion, 1), (Post, 3), (Deletion, 3), (Post, 9),
    ]  # fmt: skip
    assert isinstance(contents[1], Post)
    assert (contents[1].text, contents[1].edited_at) == ("better #poltwt", datetime(2026, 8, 1, 12, 30, tzinfo=UTC))


async def test_what_was_edited_or_deleted_during_a_cut_is_noticed() -> None:
    edited = status(1, text="better #poltwt", edited_at="2026-08-01T13:00:30.000Z")
    streams = [send(*(update(number) for number in range(6))), cut], [send(update(9)), stay]
    # of the posts that were read, 1 was edited, 2 deleted, and 3 is left out of the timeline for reasons of its own
    timeline = [status(0), edited, status(4), status(5)]
    async with mastodon(*streams, timeline=timeline) as server:
        server.hidden = [status(3)]
        contents, _ = await take(source(server), 9)
    assert [(type(content), number) for content, number in zip(contents, numbers(contents), strict=True)] == [
        *((Post, number) for number in range(6)), (Post, 1), (Deletion, 2), (Post, 9),
    ]  # fmt: skip
    assert isinstance(contents[6], Post)
    assert contents[6].text == "better #poltwt"


async def test_deletions_of_what_an_earlier_run_read_are_understood() -> None:
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


async def test_a_deletion_that_came_first_takes_away_what_another_instance_gave() -> None:
    async with mastodon([send(update(0)), stay]) as one, mastodon([]) as two:
        listening = source(one)
        await take(listening, 1)
        parser = listening._parser
        assert parser.read(b"event: delete\ndata: 77", "two", NOW) == []
        uri = status(0)["uri"]
        frame = update(0, id="77")
        assert parser.read(frame, "two", NOW) == [Deletion(source="mastodon", id=uri, deleted_at=NOW)]
        assert two.requests == []


async def test_keeps_only_what_is_for_everyone() -> None:
    kinds = ["private", "direct", "unlisted", "public", "limited"]
    frames = [update(number, visibility=kind) for number, kind in enumerate(kinds)]
    async with mastodon([send(*frames), stay]) as server:
        contents, _ = await take(source(server), 2)
    assert numbers(contents) == [2, 3]


@pytest.mark.parametrize(
    ("code", "setting"),
    [(401, "TAGPULSE_MASTODON__TOKENS"), (403, "TAGPULSE_MASTODON__TOKENS"), (404, "TAGPULSE_MASTODON__INSTANCES")],
)
async def test_a_refusal_for_good_ends_it(code: int, setting: str) -> None:
    async with mastodon(code) as server:
        with pytest.raises(Refused, match=f"answers {code}: check {setting}") as caught:
            await take(source(server), 1)
    assert TOKEN not in str(caught.value)


async def test_passing_trouble_is_waited_out_and_a_limit_until_its_reset() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with mastodon(503, [send(update(0)), cut], [send(update(1)), stay], timeline=[status(0)]) as server:
        server.failing["/api/v1/timelines/tag/poltwt"] = [
            (429, {"X_RateLimit_Reset": "2026-08-01T13:02:05.000Z"}),
            (429, {"X_RateLimit_Reset": "2199-01-01T00:00:00Z"}),  # a clock that is wrong by years
            (429, {"Retry_After": "7"}),
            (500, {}),
        ]
        settings = MastodonSettings(instances=server.url)
        listening = MastodonSource(settings, ["poltwt"], now=lambda: NOW, sleep=sleep, jitter=lambda: 1.0)
        contents, _ = await take(listening, 2)
    assert numbers(contents) == [0, 1]
    assert waits == [0.5, 0.5, 125.0, 900.0, 7.0, 8.0]


async def test_an_old_instance_streams_where_it_is() -> None:
    async with mastodon([send(update(0)), stay]) as server:
        server.failing["/api/v2/instance"] = [(404, {})]
        contents, _ = await take(source(server), 1)
    assert numbers(contents) == [0]


@pytest.mark.parametrize("how", ["silent", "slow_loris"])
async def test_a_silent_socket_is_given_up(how: str) -> None:
    async def slow_loris(connection: Connection) -> None:
        for _ in range(1_000):
            await connection.chunk(b"d")
            await asyncio.sleep(0.02)

    act: Act = slow_loris if how == "slow_loris" else stay
    async with mastodon([send(update(0)), act], [send(update(1)), stay]) as server:
        contents, _ = await take(source(server, silence_seconds=0.3), 2)
        assert len(server.streams) == 2
    assert numbers(contents) == [0, 1]


async def test_follows_redirects_and_gives_the_token_to_no_other_host() -> None:
    seen: list[Request] = []

    async def elsewhere(request: Request, connection: Connection) -> None:
        seen.append(request)
        if request.path == "/api/v2/instance":
            await connection.answer(404)
            return
        await connection.begin("text/event-stream")
        await connection.chunk(update(0))
        await connection.stay()

    async with http_server(elsewhere) as other:

        async def redirect(request: Request, connection: Connection) -> None:
            target = other.replace("127.0.0.1", "localhost") + request.path
            await connection.answer(307, Location=target)

        async with http_server(redirect) as url:
            settings = MastodonSettings(instances=url, tokens=TOKEN)
            listening = MastodonSource(settings, ["poltwt"], now=lambda: NOW, sleep=no_sleep)
            contents, _ = await take(listening, 1)
    assert numbers(contents) == [0]
    assert seen
    assert not any("authorization" in request.headers for request in seen)


async def test_survives_what_cannot_be_read() -> None:
    frames = [
        b"event: update\ndata: {not json\n\n",
        b"data: no name\n\n",
        b"\xff\xfe\x00\n\n",
        event("notification", "{}"),
        event("update", json.dumps({"id": 5})),
        b"event: update\ndata: " + b"x" * (10 * 2**20) + b"\n\n",
        update(1),
    ]
    async with mastodon([send(*frames), stay]) as server:
        contents, _ = await take(source(server), 4)
        assert len(server.streams) == 1
    assert [content.reason for content in contents if isinstance(content, Unreadable)] == [
        "malformed",
        "invalid",
        "oversize",
    ]
    assert numbers(contents) == [1]


async def test_a_slow_reader_slows_the_server_down_and_loses_nothing() -> None:
    sent = 0

    async def flood(connection: Connection) -> None:
        nonlocal sent
        for number in range(700):
            await connection.chunk(update(number, note="x" * 20_000))
            sent = number + 1

    async with mastodon([flood, stay]) as server:
        listening = source(server)
        batches = listening.batches()
        found = list((await anext(batches)).contents)
        await asyncio.sleep(0.5)
        assert sent < 650
        async for batch in batches:
            found += batch.contents
            if len(found) == 700:
                break
        await batches.aclose()  # type: ignore[attr-defined]
    assert numbers(found) == list(range(700))


@pytest.mark.parametrize("cursor", ["", "5", "{}x", '{"a":5}', '{"a":{"id":"1","at":"never"}}'])
def test_a_cursor_that_is_none_is_refused(cursor: str) -> None:
    with pytest.raises(SettingsError, match="no cursor of Mastodon"):
        MastodonSource(MastodonSettings(), ["poltwt"], cursor=cursor)


def test_needs_a_hashtag() -> None:
    with pytest.raises(SettingsError, match="--tag"):
        MastodonSource(MastodonSettings(), [])


def test_each_instance_has_its_own_token() -> None:
    settings = MastodonSettings(instances="one.example, https://two.example/", tokens="two.example=secret2")  # type: ignore[arg-type]
    tokens = {url: token.get_secret_value() if token else None for url, token in settings.servers.items()}
    assert tokens == {"https://one.example": None, "https://two.example": "secret2"}
    assert "secret2" not in repr(settings)


@pytest.mark.parametrize(
    ("instances", "tokens"),
    [
        ("one.example", "two.example=x"),
        ("one.example,two.example", "x"),
        ("one.example", "a b"),
        ("ftp://x", ""),
        ("h/p", ""),
    ],
)
def test_faulty_settings_are_named_without_the_secret(instances: str, tokens: str) -> None:
    with pytest.raises(ValueError, match="TAGPULSE_MASTODON__"):
        MastodonSettings(instances=instances, tokens=tokens or None)  # type: ignore[arg-type]
