"""What every live source promises (`streams/sources/base.py`), one test over all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from streams import metrics
from streams.cli.networks import NETWORKS, open_parser
from streams.contracts import Deletion, Gap, Post, decode_raw, encode
from streams.errors import Refused
from streams.settings import BlueskySettings, MastodonSettings, Settings, XSettings
from streams.sources.base import Content, Source, Unreadable
from streams.sources.bluesky import BlueskySource
from streams.sources.mastodon import MastodonSource
from streams.sources.recording import RecordedSource, Recorder
from streams.sources.x import XSource
from tests.helpers import jetstream, mastodon, x
from tests.helpers.feeds import counted, numbers, take
from tests.helpers.processes import eventually

NOW = datetime(2026, 8, 1, 13, tzinfo=UTC)
CUT = "cut"
STAY = "stay"
Connection = Sequence[int | bytes | str] | HTTPStatus
"""Posts by their numbers, frames as they are, `cut` and `stay`; or a refusal."""


@dataclass
class Network:
    """A network of the tests: how its server is started, and the source that listens to it."""

    name: str
    serve: Callable[..., AbstractAsyncContextManager[str]]
    make: Callable[..., Source]
    junk: bytes
    """A frame that is none."""
    setting: str
    """What a refusal names."""
    options: dict[str, Any] = field(default_factory=dict)


@asynccontextmanager
async def serve_bluesky(*connections: Connection) -> AsyncIterator[str]:
    def act(step: int | bytes | str) -> jetstream.Act:
        if isinstance(step, str):
            return jetstream.cut_in_mid_frame if step == CUT else jetstream.stay
        return jetstream.send(jetstream.frame(step) if isinstance(step, int) else step)

    plans = [plan if isinstance(plan, HTTPStatus) else [act(step) for step in plan] for plan in connections]
    async with jetstream.jetstream(*plans) as server:
        yield server.url


@asynccontextmanager
async def serve_mastodon(*connections: Connection) -> AsyncIterator[str]:
    def act(step: int | bytes | str) -> mastodon.Act:
        if isinstance(step, str):
            return mastodon.cut if step == CUT else mastodon.stay
        return mastodon.send(mastodon.update(step) if isinstance(step, int) else step + b"\n\n")

    plans = [int(plan) if isinstance(plan, HTTPStatus) else [act(step) for step in plan] for plan in connections]
    heard = [plan for plan in connections if not isinstance(plan, HTTPStatus)]
    posted = {step: mastodon.status(step) for plan in heard[:-1] for step in plan if isinstance(step, int)}
    async with mastodon.mastodon(*plans, missed=list(posted.values())) as server:
        yield server.url


@asynccontextmanager
async def serve_x(*connections: Connection) -> AsyncIterator[str]:
    def act(step: int | bytes | str) -> x.Act:
        if isinstance(step, str):
            return x.cut if step == CUT else x.stay
        return x.send(x.line(step) if isinstance(step, int) else step + b"\n")

    plans: list[Any] = [
        (int(plan), b"{}", {}) if isinstance(plan, HTTPStatus) else [act(step) for step in plan] for plan in connections
    ]
    async with x.x(*plans) as server:
        yield server.url


def bluesky_source(url: str, silence: float, **options: Any) -> Source:
    return BlueskySource(
        BlueskySettings(url=url, urls="", profiles=False, silence_seconds=silence), ["poltwt"], **options
    )


def mastodon_source(url: str, silence: float, **options: Any) -> Source:
    settings = MastodonSettings(instances=url, tokens=mastodon.TOKEN, silence_seconds=silence)  # type: ignore[arg-type]
    return MastodonSource(settings, ["poltwt"], **options)


def x_source(url: str, silence: float, **options: Any) -> Source:
    settings = XSettings(url=url, token=x.TOKEN, silence_seconds=silence, backfill_minutes=5)  # type: ignore[arg-type]
    return XSource(settings, ["poltwt"], **options)


ALL = [
    Network("bluesky", serve_bluesky, bluesky_source, b"{junk #poltwt}", "TAGPULSE_BLUESKY__URL"),
    Network("mastodon", serve_mastodon, mastodon_source, b"event: update\ndata: {junk", "TAGPULSE_MASTODON__"),
    Network("x", serve_x, x_source, b"{junk", "TAGPULSE_X__"),
]


@pytest.fixture(params=ALL, ids=lambda network: network.name)
def network(request: pytest.FixtureRequest) -> Network:
    found: Network = request.param
    return found


class Pauses:
    """Pauses that take no time, and are remembered."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


def make(
    network: Network, url: str, *, silence: float = 20, pauses: Pauses | None = None, cursor: str | None = None
) -> Source:
    return network.make(
        url, silence, cursor=cursor, now=lambda: NOW, sleep=(pauses or Pauses()).sleep, jitter=lambda: 0.5
    )


def posts(contents: Sequence[Content]) -> list[int]:
    first = x.FIRST_ID
    found = numbers([content for content in contents if isinstance(content, Post)])
    return [number - first if number >= first else number for number in found]


def test_no_network_is_left_out() -> None:
    assert [network.name for network in ALL] == list(NETWORKS)


async def test_what_it_gives_can_travel_and_says_where_it_is_from(network: Network) -> None:
    async with network.serve([0, 1, 2, STAY]) as url:
        source = make(network, url)
        contents, batches = await take(source, 3)
    assert source.name == network.name
    assert posts(contents) == [0, 1, 2]
    for content in contents:
        assert isinstance(content, Post)
        assert decode_raw(encode(content)) == content
        assert (content.source, content.hashtags, content.collected_at) == (network.name, ("poltwt",), NOW)
    assert batches[-1].cursor
    assert source.describe(batches[-1].cursor)
    assert source.progress[0] > 0


async def test_after_a_cut_nothing_is_lost_and_nothing_comes_twice(network: Network) -> None:
    gaps, reconnects = counted(metrics.GAPS, network.name), counted(metrics.RECONNECTS, network.name)
    async with network.serve([0, 1, 2, CUT], [1, 2, 3, CUT], [3, 4, STAY]) as url:
        contents, _ = await take(make(network, url), 5)
    assert sorted(posts(contents)) == [0, 1, 2, 3, 4]
    assert counted(metrics.GAPS, network.name) == gaps
    assert counted(metrics.RECONNECTS, network.name) - reconnects == 2


async def test_a_cursor_leaves_nothing_out(network: Network) -> None:
    async with network.serve([0, 1, STAY], [1, 2, STAY]) as url:
        _, before = await take(make(network, url), 2)
        cursor = next(batch.cursor for batch in before if batch.contents)
        contents, _ = await take(make(network, url, cursor=cursor), 2)
    assert {1, 2} <= {*posts(contents)}


async def test_reconnects_for_ever_with_growing_pauses_and_jitter(network: Network) -> None:
    pauses = Pauses()
    async with network.serve(*[HTTPStatus.SERVICE_UNAVAILABLE] * 12, [0, STAY]) as url:
        contents, _ = await take(make(network, url, pauses=pauses), 1)
    assert posts(contents) == [0]
    assert len(pauses.seconds) == 12
    assert pauses.seconds == sorted(pauses.seconds)
    assert pauses.seconds[0] < pauses.seconds[-1] <= 400


async def test_waits_for_a_server_that_is_not_there(network: Network) -> None:
    async with network.serve([STAY]) as url:
        pass
    pauses = Pauses()
    listening = asyncio.ensure_future(anext(make(network, url, pauses=pauses).batches()))
    await eventually(lambda: len(pauses.seconds) >= 5, 10, "it tries again and again")
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


@pytest.mark.parametrize("status", [HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND])
async def test_a_permanent_refusal_ends_it_and_names_the_setting(network: Network, status: HTTPStatus) -> None:
    async with network.serve(status) as url:
        with pytest.raises(Refused, match=network.setting) as caught:
            await take(make(network, url), 1)
    assert str(status.value) in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_deletion_before_its_post_takes_it_away(network: Network) -> None:
    parser = open_parser(network.name, Settings(), ["poltwt"])
    frames = {
        "bluesky": [jetstream.frame(1, operation="delete", at_us=jetstream.BEGIN_US + 900_000), jetstream.frame(1)],
        "mastodon": [mastodon.event("delete", "1001").strip(), mastodon.update(1).strip()],
        "x": [x.removal(1), x.line(1)],
    }[network.name]
    contents = [content for frame in frames for content in parser.read(frame, "server", NOW)]
    assert not any(isinstance(content, Post) for content in contents)


def test_wrong_clocks_change_nothing_but_the_time(network: Network) -> None:
    for year in (b"1970", b"2199"):
        parser = open_parser(network.name, Settings(), ["poltwt"])
        frame = {"bluesky": jetstream.frame(1), "mastodon": mastodon.update(1).strip(), "x": x.line(1)}[network.name]
        [found] = parser.read(frame.replace(b'"2026-', b'"' + year + b"-"), "server", NOW)
        assert isinstance(found, Post)
        assert found.created_at.year == int(year)
        assert decode_raw(encode(found)) == found


async def test_a_frame_that_cannot_be_read_is_told_and_the_connection_kept(network: Network) -> None:
    reconnects = counted(metrics.RECONNECTS, network.name)
    async with network.serve([0, network.junk, 1, STAY]) as url:
        contents, _ = await take(make(network, url), 3)
    assert [type(content) for content in contents] == [Post, Unreadable, Post]
    assert counted(metrics.RECONNECTS, network.name) == reconnects


async def test_a_silent_socket_is_given_up(network: Network) -> None:
    async with network.serve([0, STAY], [0, 1, STAY]) as url:
        contents, _ = await take(make(network, url, silence=0.3), 2)
    assert posts(contents) == [0, 1]


async def test_tells_how_far_it_is_behind(network: Network) -> None:
    metrics.SOURCE_BEHIND.labels(network.name).set(-1)
    async with network.serve([0, STAY]) as url:
        await take(make(network, url), 1)
    assert counted(metrics.SOURCE_BEHIND, network.name) == pytest.approx(3_600, abs=1)


async def test_a_recording_gives_the_same_when_it_is_played(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "day.zst"
    async with network.serve([0, network.junk, b"\xff\xfe", 1, 1, 2, STAY]) as url:
        source = make(network, url)
        recorder = Recorder(path, network.name, ["poltwt"], now=lambda: NOW)
        source.tape = recorder
        contents, _ = await take(source, 4 if network.name == "mastodon" else 5)
        recorder.close()
    played: list[Content] = []
    recorded = RecordedSource([str(path)], network.name, open_parser(network.name, Settings(), ["poltwt"]))
    async for batch in recorded.batches():
        played += batch.contents
    assert played == contents
    assert {type(content) for content in played} == {Post, Unreadable}
    assert not any(isinstance(content, Gap | Deletion) for content in played)
    assert b"canary" not in path.read_bytes()
