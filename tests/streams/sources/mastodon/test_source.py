"""The Mastodon source against instances that speak the protocol."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from streams import metrics
from streams.contracts import Deletion, Post
from streams.errors import SettingsError
from streams.settings import MastodonSettings
from streams.sources.base import Unreadable
from streams.sources.live import Timing
from streams.sources.mastodon.source import MastodonSource
from tests.helpers.feeds import counted, no_sleep, numbers, take
from tests.helpers.http_server import Connection, Request, http_server
from tests.helpers.mastodon import NOW, TOKEN, event, mastodon, send, source, status, stay, update


async def test_it_listens_at_the_address_of_the_instance_with_its_token() -> None:
    async with mastodon([send(update(0), update(1)), stay]) as streaming, mastodon() as instance:
        instance.streaming_url = streaming.url
        contents, batches = await take(source(instance), 2)
        assert instance.requests[0].path == "/api/v2/instance"
        assert instance.streams == []
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


async def test_it_listens_to_several_hashtags() -> None:
    async with mastodon([send(update(0)), stay], [send(update(1, text="#k9", tags=[])), stay]) as server:
        contents, _ = await take(source(server, tags=("poltwt", "#K9")), 2)
        assert sorted(request.query["tag"][0] for request in server.streams) == ["k9", "poltwt"]
    assert sorted(numbers(contents)) == [0, 1]


async def test_edits_and_deletions_are_honoured_in_any_order() -> None:
    late = "2026-08-01T12:30:00.000Z"
    frames = [
        update(0),
        event("status.update", status(0, text="better #poltwt", edited_at=late)),
        update(0),  # an older version arrives late
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


async def test_only_public_posts_are_kept() -> None:
    kinds = ["private", "direct", "unlisted", "public", "limited"]
    frames = [update(number, visibility=kind) for number, kind in enumerate(kinds)]
    unspecified = status(5)
    del unspecified["visibility"]
    frames += [event("update", unspecified), update(6, reblog=unspecified), update(7)]
    async with mastodon([send(*frames), stay]) as server:
        contents, _ = await take(source(server), 3)
    assert numbers(contents) == [2, 3, 7]


async def test_redirects_are_followed_and_no_other_host_gets_the_token() -> None:
    seen: list[Request] = []

    async def elsewhere(request: Request, connection: Connection) -> None:
        seen.append(request)
        if request.path != "/api/v1/streaming/hashtag":
            await connection.answer(404 if request.path == "/api/v2/instance" else 200, b"[]")
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
            listening = MastodonSource(settings, ["poltwt"], timing=Timing(now=lambda: NOW, sleep=no_sleep))
            contents, _ = await take(listening, 1)
    assert numbers(contents) == [0]
    assert seen
    assert not any("authorization" in request.headers for request in seen)


async def test_it_survives_unreadable_events() -> None:
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


async def behind_after(*frames: bytes, cursor: str | None = None) -> float:
    metrics.SOURCE_BEHIND.labels("mastodon").set(-1)
    async with mastodon([send(*frames), stay]) as server:
        await take(source(server, cursor=cursor), len(frames))
    return counted(metrics.SOURCE_BEHIND, "mastodon")


@pytest.mark.parametrize("year", ["2009", "2199"])
async def test_a_post_with_a_date_off_by_years_is_not_lag(year: str) -> None:
    wrong = update(1, created_at=f"{year}-08-01T12:00:00.000Z")
    assert await behind_after(wrong) == -1
    assert await behind_after(update(0), wrong) == 3600
    assert await behind_after(wrong, update(0)) == 3600
    assert await behind_after(wrong, cursor='{"elsewhere":{"id":"1","at":"2026-06-01T13:00:00Z"}}') == -1


async def test_lag_is_that_of_the_newest_post_even_after_days() -> None:
    assert await behind_after(update(0), update(60), update(30)) == 3540
    weeks = update(0, created_at="2026-06-02T13:00:00.000Z")
    assert await behind_after(weeks, cursor='{"elsewhere":{"id":"1","at":"2026-06-01T13:00:00Z"}}') == 60 * 86_400


@pytest.mark.parametrize("cursor", ["", "5", "{}x", '{"a":5}', '{"a":{"id":"1","at":"never"}}'])
def test_an_invalid_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(SettingsError, match="not a Mastodon cursor"):
        MastodonSource(MastodonSettings(), ["poltwt"], cursor=cursor)


def test_it_needs_a_hashtag() -> None:
    with pytest.raises(SettingsError, match="--tag"):
        MastodonSource(MastodonSettings(), [])
