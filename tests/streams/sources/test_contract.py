"""The contract of all live sources (`streams/sources/base.py`); every test runs for each source."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from streams import metrics
from streams.contracts import Deletion, Gap, Post, decode_raw, encode
from streams.errors import Refused
from streams.settings import Settings
from streams.sources.base import Content, Unreadable
from streams.sources.files.recorded import RecordedSource
from streams.sources.recorder import Recorder
from streams.sources.registry import NETWORKS
from tests.helpers import jetstream, mastodon, x
from tests.helpers.feeds import counted, numbers, take
from tests.helpers.networks import ALL, CUT, CUT_IN_MID_CHARACTER, DRIP, NOW, STAY, Network, Pauses, Refusal, make
from tests.helpers.processes import eventually, unchanged


@pytest.fixture(params=ALL, ids=lambda network: network.name)
def network(request: pytest.FixtureRequest) -> Network:
    found: Network = request.param
    return found


def posts(contents: Sequence[Content]) -> list[int]:
    first = x.FIRST_ID
    found = numbers([content for content in contents if isinstance(content, Post)])
    return [number - first if number >= first else number for number in found]


def test_no_network_is_left_out() -> None:
    assert [network.name for network in ALL] == list(NETWORKS.names())


async def test_posts_can_be_encoded_and_name_their_source(network: Network) -> None:
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


@pytest.mark.parametrize("cut", [CUT, CUT_IN_MID_CHARACTER])
async def test_after_a_disconnection_nothing_is_lost_or_repeated(network: Network, cut: str) -> None:
    gaps, reconnects = counted(metrics.GAPS, network.name), counted(metrics.RECONNECTS, network.name)
    async with network.serve([0, 1, 2, cut], [1, 2, 3, cut], [3, 4, STAY]) as url:
        contents, _ = await take(make(network, url), 5)
    assert sorted(posts(contents)) == [0, 1, 2, 3, 4]
    assert counted(metrics.GAPS, network.name) == gaps
    assert counted(metrics.RECONNECTS, network.name) - reconnects == 2


async def test_a_cursor_skips_nothing(network: Network) -> None:
    async with network.serve([0, 1, STAY], [1, 2, STAY]) as url:
        _, before = await take(make(network, url), 2)
        cursor = next(batch.cursor for batch in before if batch.contents)
        contents, _ = await take(make(network, url, cursor=cursor), 2)
    assert {1, 2} <= {*posts(contents)}


async def test_it_reconnects_indefinitely_with_growing_pauses_and_jitter(network: Network) -> None:
    pauses = Pauses()
    async with network.serve(*[Refusal(HTTPStatus.SERVICE_UNAVAILABLE)] * 12, [0, STAY]) as url:
        contents, _ = await take(make(network, url, pauses=pauses), 1)
    assert posts(contents) == [0]
    assert len(pauses.seconds) == 12
    assert pauses.seconds == sorted(pauses.seconds)
    assert pauses.seconds[0] < pauses.seconds[-1] <= 400


async def test_it_waits_for_an_unreachable_server(network: Network) -> None:
    async with network.serve([STAY]) as url:
        pass
    pauses = Pauses()
    listening = asyncio.ensure_future(anext(make(network, url, pauses=pauses).batches()))
    await eventually(lambda: len(pauses.seconds) >= 5, 10, "it tries again and again")
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


@pytest.mark.parametrize("status", [HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND])
async def test_a_permanent_refusal_ends_it_and_names_the_setting(network: Network, status: HTTPStatus) -> None:
    async with network.serve(Refusal(status)) as url:
        with pytest.raises(Refused, match=network.setting) as caught:
            await take(make(network, url), 1)
    assert str(status.value) in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_deletion_before_its_post_removes_it(network: Network) -> None:
    parser = NETWORKS.find(network.name)(Settings()).open_parser(["poltwt"])
    frames = {
        "bluesky": [jetstream.frame(1, operation="delete", at_us=jetstream.BEGIN_US + 900_000), jetstream.frame(1)],
        "mastodon": [mastodon.event("delete", "1001").strip(), mastodon.update(1).strip()],
        "x": [x.removal(1), x.line(1)],
    }[network.name]
    contents = [content for frame in frames for content in parser.read(frame, "server", NOW)]
    assert not any(isinstance(content, Post) for content in contents)


@pytest.mark.parametrize("year", ["0001", "0999", "1970", "2199", "9999"])
def test_an_implausible_time_is_replaced_and_kept_separately(network: Network, year: str) -> None:
    parser = NETWORKS.find(network.name)(Settings()).open_parser(["poltwt"])
    frame = network.frame(1, "#poltwt").strip()
    [right] = NETWORKS.find(network.name)(Settings()).open_parser(["poltwt"]).read(frame, "server", NOW)
    [found] = parser.read(frame.replace(b'"2026-', b'"' + year.encode() + b"-"), "server", NOW)
    assert isinstance(right, Post)
    assert isinstance(found, Post)
    assert (right.created_at_is_estimate, right.author_created_at) == (False, None)
    assert timedelta() <= NOW - found.created_at < timedelta(hours=1)
    assert found.created_at_is_estimate
    assert found.author_created_at == right.created_at.replace(year=int(year))
    assert decode_raw(encode(found)) == found


def test_the_oldest_plausible_age_is_a_setting(network: Network) -> None:
    frame = network.frame(1, "#poltwt").strip()
    [right] = NETWORKS.find(network.name)(Settings()).open_parser(["poltwt"]).read(frame, "server", NOW)
    later = NOW + timedelta(days=8)
    frame = jetstream.frame(1, at_us=int(later.timestamp() * 1e6)) if network.name == "bluesky" else frame
    for days, is_estimate in ((7, True), (9, False)):
        parser = NETWORKS.find(network.name)(Settings(produce={"max_age_days": days})).open_parser(["poltwt"])
        [found] = parser.read(frame, "server", later)
        assert isinstance(found, Post)
        assert isinstance(right, Post)
        assert found.created_at_is_estimate is is_estimate
        assert found.author_created_at == (right.created_at if is_estimate else None)


async def test_an_unreadable_frame_is_reported_and_the_connection_kept(network: Network) -> None:
    reconnects = counted(metrics.RECONNECTS, network.name)
    async with network.serve([0, network.junk, 1, STAY]) as url:
        contents, _ = await take(make(network, url), 3)
    assert [type(content) for content in contents] == [Post, Unreadable, Post]
    assert counted(metrics.RECONNECTS, network.name) == reconnects


@pytest.mark.parametrize("how", [STAY, DRIP])
async def test_silent_and_trickling_sockets_are_given_up(network: Network, how: str) -> None:
    async with network.serve([0, how, STAY], [0, 1, STAY]) as url:
        contents, _ = await take(make(network, url, silence=0.3), 2)
    assert posts(contents) == [0, 1]


async def test_a_frame_of_ten_megabytes_costs_no_other_post(network: Network) -> None:
    huge = network.frame(1, "#poltwt " + "x" * 10_000_000)
    async with network.serve([0, huge, 2, STAY]) as url:
        contents, _ = await take(make(network, url), 3)
    assert [number for number in posts(contents) if number != 1] == [0, 2]


async def test_the_order_of_the_network_is_kept(network: Network) -> None:
    async with network.serve([2, 0, 3, 1, STAY]) as url:
        contents, _ = await take(make(network, url), 4)
    assert posts(contents) == [2, 0, 3, 1]


async def test_a_rate_limit_is_waited_out(network: Network) -> None:
    pauses = Pauses()
    async with network.serve(Refusal(HTTPStatus.TOO_MANY_REQUESTS, network.limit), [0, STAY]) as url:
        contents, _ = await take(make(network, url, pauses=pauses), 1)
    assert posts(contents) == [0]
    [seconds] = pauses.seconds
    assert 90 <= seconds < 100


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:9/",
        "ftp://127.0.0.1/",
        "http://[",
        "//:0/",
        "http://user:pw@127.0.0.1:9/",
        "//user:pw@{host}/",
        "http://a..b/",
        f"http://{'a' * 64}.example/",
        "http://127.1/",
    ],
)
async def test_an_unusable_redirect_is_a_temporary_error(network: Network, target: str) -> None:
    pauses = Pauses()
    headers: dict[str, str] = {}
    async with network.serve(Refusal(HTTPStatus.FOUND, headers), [0, STAY]) as url:
        headers["Location"] = target.format(host=urlsplit(url).netloc)
        contents, _ = await take(make(network, url, pauses=pauses), 1)
    assert posts(contents) == [0]
    assert len(pauses.seconds) == 1


async def test_a_slow_reader_slows_the_server_down_and_loses_nothing(network: Network) -> None:
    sent: list[int] = []

    def flood(number: int) -> bytes:
        sent.append(number)
        return network.frame(number, "#poltwt " + "x" * 20_000)

    async with network.serve([*(partial(flood, number) for number in range(700)), STAY]) as url:
        contents: list[Content] = []
        async with asyncio.timeout(60), contextlib.aclosing(make(network, url).batches()) as reading:  # type: ignore[type-var]
            contents += (await anext(reading)).contents
            assert await unchanged(lambda: len(sent), what="the server waits") < 650
            async for batch in reading:
                contents += batch.contents
                if len(contents) == 700:
                    break
    assert posts(contents) == list(range(700))


async def test_it_reports_how_far_it_is_behind(network: Network) -> None:
    metrics.SOURCE_BEHIND.labels(network.name).set(-1)
    async with network.serve([0, STAY]) as url:
        await take(make(network, url), 1)
    assert counted(metrics.SOURCE_BEHIND, network.name) == pytest.approx(3_600, abs=1)


async def test_a_recording_replays_the_same_contents(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "day.zst"
    async with network.serve([0, network.junk, b"\xff\xfe\n\n", 1, 1, 2, STAY]) as url:
        source = make(network, url)
        recorder = Recorder(path, network.name, ["poltwt"], now=lambda: NOW)
        source.recorder = recorder
        contents, _ = await take(source, 4 if network.name == "mastodon" else 5)
        recorder.close()
    played: list[Content] = []
    recorded = RecordedSource(
        [str(path)], network.name, NETWORKS.find(network.name)(Settings()).open_parser(["poltwt"])
    )
    async for batch in recorded.batches():
        played += batch.contents
    assert played == contents
    assert {type(content) for content in played} == {Post, Unreadable}
    assert not any(isinstance(content, Gap | Deletion) for content in played)
    assert b"canary" not in path.read_bytes()
