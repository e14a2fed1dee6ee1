"""Labels on Bluesky accounts: whose posts are left out, and how a bad profile server is handled."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection

from streams import metrics
from streams.contracts import Deletion, Post
from streams.settings import BlueskySettings
from streams.sources.base import Content
from streams.sources.bluesky.profiles import hidden_accounts
from streams.sources.bluesky.source import BlueskySource
from streams.sources.live import Timing
from tests.helpers.feeds import counted, no_sleep, numbers, take
from tests.helpers.jetstream import Jetstream, cut_in_mid_frame, frame, jetstream, murmur, repost, send, stay
from tests.helpers.processes import eventually
from tests.helpers.profiles import Profiles, Trouble, answers, cuts, label, profile, profiles
from tests.helpers.scrapes import value_of

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
ANNA, BEN, CLEO = "did:plc:anna", "did:plc:ben", "did:web:cleo.example"
GARBAGE = b"<html>\xff"


def source(server: Jetstream, lookups: Profiles, **options: Any) -> BlueskySource:
    seconds = options.pop("seconds", 10)
    settings = BlueskySettings(url=server.url, urls="", profiles_url=lookups.url, profiles_seconds=seconds)
    timing = Timing(**{"sleep": no_sleep, "jitter": lambda: 0.0} | options)
    return BlueskySource(settings, ["poltwt"], timing=timing)


@asynccontextmanager
async def reading(listening: BlueskySource) -> AsyncIterator[Callable[[int], Any]]:
    """Yield a function that reads until at least `count` contents have arrived, and returns them."""
    async with asyncio.timeout(60), contextlib.aclosing(listening.batches()) as batches:  # type: ignore[type-var]

        async def read(count: int) -> list[Content]:
            contents: list[Content] = []
            while len(contents) < count:
                contents += (await anext(batches)).contents
            return contents

        yield read


async def test_posts_of_a_hidden_author_are_filtered() -> None:
    filtered = counted(metrics.FILTERED, "bluesky")
    frames = [frame(number, did=[ANNA, BEN, CLEO][number % 3]) for number in range(6)]
    async with profiles(hidden={BEN}) as lookups, jetstream([send(*frames), stay]) as server:
        contents, batches = await take(source(server, lookups), 4)
    assert numbers(contents) == [0, 2, 3, 5]
    assert batches[-1].cursor == str(json.loads(frames[-1])["time_us"])
    assert counted(metrics.FILTERED, "bluesky") - filtered == 2
    assert sorted(did for asked in lookups.asked for did in asked) == [ANNA, BEN, CLEO]


async def test_reposts_count_for_both_authors() -> None:
    frames = [frame(0, did=ANNA), frame(1, did=BEN)]
    frames += [repost(2, 0, did=ANNA, by=BEN), repost(3, 1, did=BEN, by=ANNA), repost(4, 0, did=ANNA, by=CLEO)]
    async with profiles(hidden={BEN}) as lookups, jetstream([send(*frames), stay]) as server:
        contents, _ = await take(source(server, lookups), 2)
    assert numbers(contents) == [0, 4]


async def test_an_edit_by_a_hidden_author_removes_a_post_that_an_earlier_process_may_have_passed_on() -> None:
    async with (
        profiles(hidden={ANNA}) as lookups,
        jetstream([send(frame(0, did=ANNA, operation="update")), stay]) as server,
    ):
        contents, _ = await take(source(server, lookups), 1)
    assert [(type(content), content.id) for content in contents] == [(Deletion, f"{ANNA}/{0:013d}")]  # type: ignore[union-attr]


async def test_each_account_is_requested_once_and_at_most_25_at_a_time() -> None:
    frames = [frame(number, did=f"did:plc:{number % 60}") for number in range(180)]
    async with profiles() as lookups, jetstream([send(*frames), murmur]) as server:
        lookups.open.clear()
        async with reading(source(server, lookups, seconds=0.05)) as read:
            assert numbers(await read(180)) == list(range(180))
            lookups.open.set()
            await eventually(lambda: sum(map(len, lookups.asked)) >= 60, what="the last request")
    assert max(map(len, lookups.asked)) == 25
    assert len({did for asked in lookups.asked for did in asked}) == sum(map(len, lookups.asked)) == 60


async def test_answers_are_remembered_for_an_hour_and_earlier_posts_removed() -> None:
    clock = 0.0
    more: list[bytes] = []

    async def feed(socket: ServerConnection) -> None:
        while True:
            await socket.send(more.pop(0) if more else frame(10_000, text="#other"), text=True)
            await asyncio.sleep(0.005)

    async with (
        profiles() as lookups,
        jetstream([feed]) as server,
        reading(source(server, lookups, clock=lambda: clock)) as read,
    ):
        more.append(frame(0, did=ANNA))
        assert numbers(await read(1)) == [0]
        lookups.hidden = {ANNA}
        clock = 3_599
        more.append(frame(1, did=ANNA))
        assert numbers(await read(1)) == [1]
        assert lookups.asked == [[ANNA]]
        clock = 3_601
        more.append(frame(2, did=ANNA))
        gone = await read(3)
    assert {type(content) for content in gone} == {Deletion}
    assert numbers(gone) == [0, 1, 2]


async def test_a_slow_server_does_not_delay_posts_and_hidden_ones_are_deleted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    unscreened = counted(metrics.UNSCREENED, "bluesky")
    frames = [frame(0, did=ANNA), frame(1, did=BEN), repost(2, 0, did=ANNA, by=BEN)]
    async with profiles(hidden={ANNA}) as lookups, jetstream([send(*frames), murmur]) as server:
        lookups.open.clear()
        async with reading(source(server, lookups, seconds=0.1)) as read:
            contents = await read(3)
            assert [type(content) for content in contents] == [Post, Post, Post]
            assert numbers(contents) == [0, 1, 2]
            lookups.open.set()
            gone = await read(2)
    assert [type(content) for content in gone] == [Deletion, Deletion]
    assert numbers(gone) == [0, 2]
    assert counted(metrics.UNSCREENED, "bluesky") - unscreened == 3
    assert caplog.text.count("posts are passed on before") == 1
    assert "no response within 0.1 s" in caplog.text


@pytest.mark.parametrize(
    ("trouble", "logged"),
    [
        (answers(500), "HTTP 500"),
        (answers(429, b'{"error":"RateLimitExceeded"}', Retry_After="77"), "RateLimitExceeded"),
        (answers(200, GARBAGE), "no profiles in the response"),
        (answers(200, b'{"profiles":"none"}'), "no profiles in the response"),
        (cuts, "payload is not completed"),
    ],
)
async def test_while_the_server_fails_posts_are_passed_on_and_requests_repeated(
    trouble: Trouble, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    failed, answered = (
        value_of(metrics.LOOKUPS.labels("bluesky", "failed")),
        value_of(metrics.LOOKUPS.labels("bluesky", "answered")),
    )
    waits: list[float] = []
    again = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await again.wait()

    async with (
        profiles(trouble, trouble, hidden={ANNA}) as lookups,
        jetstream([send(frame(0, did=ANNA), frame(1, did=BEN)), murmur]) as server,
        reading(source(server, lookups, sleep=sleep)) as read,
    ):
        assert numbers(await read(2)) == [0, 1]
        again.set()
        gone = await read(1)
        await eventually(lambda: "in time again" in caplog.text, what="the end of the outage")
    assert [type(content) for content in gone] == [Deletion]
    assert numbers(gone) == [0]
    assert waits == ([77, 77] if "Rate" in logged else [0.25, 0.5])
    assert value_of(metrics.LOOKUPS.labels("bluesky", "failed")) - failed == 2
    assert value_of(metrics.LOOKUPS.labels("bluesky", "answered")) - answered == len(lookups.asked) - 2
    assert caplog.text.count("posts are passed on before") == 1
    assert logged in caplog.text


async def test_an_account_that_breaks_the_server_does_not_shield_the_others(caplog: pytest.LogCaptureFixture) -> None:
    answered = value_of(metrics.LOOKUPS.labels("bluesky", "answered"))
    authors = [BEN, *(f"did:plc:{number}" for number in range(1, 9)), ANNA]
    frames = [frame(number, did=did) for number, did in enumerate(authors)]
    async with profiles(hidden={ANNA}) as lookups, jetstream([send(*frames), murmur]) as server:
        lookups.breaking = BEN
        async with reading(source(server, lookups)) as read:
            contents = await read(11)
            await eventually(
                lambda: value_of(metrics.LOOKUPS.labels("bluesky", "answered")) - answered == 9,
                what="the answers about the others",
            )
    assert numbers(contents) == [*range(10), 9]
    assert isinstance(contents[-1], Deletion)
    assert caplog.text.count("posts are passed on before") == 1


async def test_an_unreachable_server_delays_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with profiles() as gone:
        pass
    frames = [frame(number, did=f"did:plc:{number}") for number in range(60)]
    async with jetstream([send(*frames), stay]) as server:
        contents, _ = await take(source(server, gone), 60)
    assert numbers(contents) == list(range(60))
    assert caplog.text.count("Cannot connect to host") == 1


async def test_a_disconnection_while_posts_wait_loses_none() -> None:
    first = [frame(number, did=f"did:plc:{number}") for number in range(40)]
    second = [frame(number, did=f"did:plc:{number}") for number in range(20, 60)]
    async with profiles() as lookups, jetstream([send(*first), cut_in_mid_frame], [send(*second), stay]) as server:
        contents, _ = await take(source(server, lookups), 60)
    assert numbers(contents) == list(range(60))


async def test_when_too_many_accounts_wait_the_oldest_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.sources.bluesky.profiles.MAX_QUEUED", 2)
    given_up, unscreened = (
        value_of(metrics.LOOKUPS.labels("bluesky", "given_up")),
        counted(metrics.UNSCREENED, "bluesky"),
    )
    frames = [frame(number, did=f"did:plc:{number}") for number in range(5)]
    async with profiles() as lookups, jetstream([send(*frames), stay]) as server:
        lookups.open.clear()
        contents, _ = await take(source(server, lookups, seconds=0.1), 5)
        assert numbers(contents) == list(range(5))
    assert value_of(metrics.LOOKUPS.labels("bluesky", "given_up")) - given_up == 3
    assert counted(metrics.UNSCREENED, "bluesky") - unscreened == 5


async def test_a_name_that_the_server_would_refuse_is_not_requested() -> None:
    frames = [frame(0, did="anna?"), frame(1, did=ANNA)]
    async with profiles() as lookups, jetstream([send(*frames), stay]) as server:
        contents, _ = await take(source(server, lookups), 2)
    assert numbers(contents) == [0, 1]
    assert lookups.asked == [[ANNA]]


async def test_lookups_can_be_turned_off() -> None:
    async with profiles(hidden={ANNA}) as lookups, jetstream([send(frame(0, did=ANNA)), stay]) as server:
        settings = BlueskySettings(url=server.url, profiles=False, profiles_url=lookups.url)
        contents, _ = await take(BlueskySource(settings, ["poltwt"]), 1)
    assert numbers(contents) == [0]
    assert lookups.asked == []


async def test_a_recording_requests_nothing() -> None:
    frames: list[bytes] = []
    async with profiles(hidden={ANNA}) as lookups, jetstream([send(frame(0, did=ANNA)), stay]) as server:
        listening = source(server, lookups)
        listening.recorder = lambda _, data: frames.append(data)
        await take(listening, 1)
    assert frames == [frame(0, did=ANNA)]
    assert lookups.asked == []


@pytest.mark.parametrize(
    ("written", "hides"),
    [
        (label(ANNA, "!no-unauthenticated"), True),
        (label(ANNA, "porn"), True),
        (label(ANNA, "!hide", src="did:plc:moderation", uri=ANNA), True),
        (label(ANNA, "sexual", src="did:plc:moderation", uri=ANNA), True),
        (label(ANNA, "!no-unauthenticated", neg=False, exp="2026-08-01T12:00:01Z"), True),
        (label(ANNA, "!no-unauthenticated", neg=True), False),
        (label(ANNA, "!no-unauthenticated", exp="2026-08-01T12:00:00Z"), False),
        (label(ANNA, "!warn", src="did:plc:moderation"), False),
        (label(ANNA, "bot"), False),
        ({"val": ["porn"]}, False),
        ({}, False),
    ],
)
def test_which_labels_hide(written: dict[str, Any], hides: bool) -> None:
    answer = json.dumps({"profiles": [profile(BEN), profile(ANNA, label(ANNA, "spam"), written)]}).encode()
    assert hidden_accounts(answer, NOW) == ({ANNA} if hides else set())


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just("!hide"),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["profiles", "labels", "did", "val", "neg", "exp"]), inner)
    ),
    max_leaves=8,
)


@given(
    st.binary(max_size=80)
    | _JSON.map(lambda value: json.dumps(value).encode())
    | st.lists(_JSON).map(lambda found: json.dumps({"profiles": found}).encode())
    | st.sampled_from([b"[" * 3_000, b'{"profiles":' * 3_000, b'{"profiles":[{"did":"\\ud800"}]}', b"1e999"])
)
def test_any_bytes_are_parsed_or_refused(answer: bytes) -> None:
    hidden = hidden_accounts(answer, NOW)
    assert hidden is None or all(isinstance(did, str) for did in hidden)
