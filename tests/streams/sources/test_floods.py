"""A real producer that is flooded by its server uses little memory, and SIGTERM ends it during the flood."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from websockets.utils import accept_key

from streams.kafka import topics
from streams.processes.broker import Broker
from streams.settings import Settings
from streams.sources.registry import NETWORKS
from tests.conftest import SettingsFactory
from tests.helpers import jetstream, mastodon, x
from tests.helpers.http_server import Connection, Request, http_server
from tests.helpers.processes import Tagpulse, eventually

pytestmark = pytest.mark.slow

FLOOD_SECONDS = 8.0
MAX_MIB = 512
IN_FLIGHT_MIB = 128
STOP_SECONDS = 15.0
PIECE = 64 * 1024

Flood = Iterator[bytes]


@pytest.fixture
def settings(embedded_broker: Broker, settings_for: SettingsFactory) -> Settings:
    settings = settings_for(embedded_broker)
    topics.create(settings)
    return settings


def peak_mib(pid: int) -> float:
    """Return the peak memory of a running process, in MiB."""
    found = re.search(r"^VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)
    assert found is not None
    return int(found[1]) / 1024


async def survives(producer: Tagpulse, sent: Callable[[], int]) -> None:
    """Assert that a flooded producer uses little memory and ends quickly."""
    await eventually(sent, 60, "the flood begins")
    await asyncio.sleep(FLOOD_SECONDS)
    assert producer.running, producer.stderr
    peak = peak_mib(producer.pid)
    producer.terminate()
    assert await asyncio.to_thread(producer.wait, STOP_SECONDS) == 0, producer.stderr
    assert peak < MAX_MIB


def websocket_frame(data: bytes, *, opcode: int = 1, compressed: bool = False) -> bytes:
    """Return data as a frame from a server (RFC 6455, 5.2)."""
    head = bytes([0x80 | (0x40 if compressed else 0) | opcode])
    if len(data) < 126:
        return head + bytes([len(data)]) + data
    if len(data) < 2**16:
        return head + b"\x7e" + len(data).to_bytes(2, "big") + data
    return head + b"\x7f" + len(data).to_bytes(8, "big") + data


@dataclass
class Sent:
    """The number of bytes that a server has sent."""

    bytes: int = 0


@asynccontextmanager
async def flooding_jetstream(flood: Callable[[bool], Flood], *, reads: bool) -> AsyncIterator[tuple[str, Sent]]:
    """Run a Jetstream that sends endlessly, and reads the responses only if `reads` is set."""
    sent = Sent()
    serving: list[asyncio.Task[None]] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # a separate task, because the task of the stream reports its cancellation as an error
        serving.append(asyncio.create_task(handle(reader, writer)))

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reading = None
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            key = re.search(r"Sec-WebSocket-Key: (\S+)", head, re.I)
            assert key is not None
            offered = "permessage-deflate" in head
            answer = [
                "HTTP/1.1 101 Switching Protocols",
                "Upgrade: websocket",
                "Connection: Upgrade",
                f"Sec-WebSocket-Accept: {accept_key(key[1])}",
            ]
            if offered:
                answer.append("Sec-WebSocket-Extensions: permessage-deflate")
            writer.write("\r\n".join([*answer, "", ""]).encode())
            if reads:
                reading = asyncio.create_task(_discard(reader))
            for piece in flood(offered):
                writer.write(piece)
                await writer.drain()
                sent.bytes += len(piece)
            await asyncio.sleep(3600)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            if reading:
                reading.cancel()
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=2**16)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/subscribe", sent
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def _discard(reader: asyncio.StreamReader) -> None:
    while await reader.read(2**20):
        pass


def pings(_: bool) -> Flood:
    ping = websocket_frame(b"", opcode=9)
    return itertools.repeat(ping * (PIECE // len(ping)))


def big_frames(offered: bool) -> Flood:
    for number in itertools.count():
        frame = jetstream.frame(number, text="#poltwt " + "x" * 15_500_000)
        if offered:
            compress = zlib.compressobj(9, zlib.DEFLATED, -15)
            data = compress.compress(frame) + compress.flush(zlib.Z_SYNC_FLUSH)
            yield websocket_frame(data[:-4], compressed=True)
        else:
            yield websocket_frame(frame)


def long_deletes(_: bool) -> Flood:
    for number in itertools.count():
        frame = jetstream.frame(number, operation="delete", did="did:plc:" + "\N{POLICE CAR}" * 290)
        yield websocket_frame(frame.replace(b'"rkey":"', b'"rkey":"' + "\N{POLICE CAR}".encode() * 490))


def large_posts(_: bool) -> Flood:
    for number in itertools.count():
        yield websocket_frame(jetstream.frame(number, text="#poltwt " + "x" * 900_000))


def large_revs(_: bool) -> Flood:
    for number in itertools.count():
        frame = jetstream.frame(number)
        yield websocket_frame(frame.replace(b'"rev":"', b'"rev":"' + b"x" * 900_000))


BLUESKY = {
    "pings without reading the pongs": (pings, False),
    "pings": (pings, True),
    "big frames, compressed where offered": (big_frames, True),
    "deletes with long ids": (long_deletes, True),
    "large posts": (large_posts, True),
    "large revs": (large_revs, True),
}


@pytest.mark.parametrize("name", BLUESKY)
async def test_bluesky(name: str, settings: Settings, tmp_path: Path) -> None:
    flood, reads = BLUESKY[name]
    async with flooding_jetstream(flood, reads=reads) as (url, sent):
        env = {"TAGPULSE_BLUESKY__URL": url, "TAGPULSE_BLUESKY__PROFILES": "false"}
        with Tagpulse("produce", "bluesky", "--tag", "poltwt", settings=settings, folder=tmp_path, env=env) as producer:
            await survives(producer, lambda: sent.bytes)


def comments() -> Flood:
    return itertools.repeat(b":\n" * (PIECE // 2))


def long_ids() -> Flood:
    for number in itertools.count():
        yield f"event: delete\ndata: {number}{'9' * 1_000_000}\n\n".encode()


def large_statuses() -> Flood:
    for number in itertools.count():
        yield mastodon.update(number, text="#poltwt " + "x" * 900_000)


def empty_lines() -> Flood:
    return itertools.repeat(b"\n" * PIECE)


@pytest.mark.parametrize("flood", [comments, empty_lines, long_ids, large_statuses])
async def test_mastodon(flood: Callable[[], Flood], settings: Settings, tmp_path: Path) -> None:
    sent = Sent()

    async def handle(request: Request, connection: Connection) -> None:
        if request.path != "/api/v1/streaming/hashtag":
            await connection.answer(404 if request.path == "/api/v2/instance" else 200, b"[]")
            return
        await connection.begin("text/event-stream")
        for piece in flood():
            await connection.chunk(piece)
            sent.bytes += len(piece)

    async with http_server(handle) as url:
        env = {"TAGPULSE_MASTODON__INSTANCES": url}
        with Tagpulse(
            "produce", "mastodon", "--tag", "poltwt", settings=settings, folder=tmp_path, env=env
        ) as producer:
            await survives(producer, lambda: sent.bytes)


def keep_alives() -> Flood:
    return itertools.repeat(b"\r\n" * (PIECE // 2))


def compliance_of_long_ids() -> Flood:
    for number in itertools.count():
        event = {"tweet": {"id": f"{number}{'9' * 1_000_000}"}, "event_at": "2026-08-01T12:30:00.000Z"}
        yield json.dumps({"data": {"delete": event}}).encode() + b"\r\n"


def large_tweets() -> Flood:
    for number in itertools.count():
        yield x.line(number, text="#poltwt " + "x" * 900_000)


@pytest.mark.parametrize("flood", [keep_alives, compliance_of_long_ids, large_tweets])
async def test_x(flood: Callable[[], Flood], settings: Settings, tmp_path: Path) -> None:
    sent = Sent()

    async def act(connection: Connection) -> None:
        for piece in flood():
            await connection.chunk(piece)
            sent.bytes += len(piece)

    async with x.x([act]) as server:
        env = {"TAGPULSE_X__URL": server.url, "TAGPULSE_X__TOKEN": x.TOKEN}
        with Tagpulse("produce", "x", "--tag", "poltwt", settings=settings, folder=tmp_path, env=env) as producer:
            await survives(producer, lambda: sent.bytes)


EMOJI = "\N{POLICE CAR}"


def kept_by_bluesky() -> Flood:
    """Yield posts with long names and texts, each of which is reposted and then deleted."""
    for number in range(5_000):
        did = f"did:plc:{number}".ljust(300, EMOJI)
        key = f"{number}".ljust(500, EMOJI)
        record = {"text": "#poltwt " + EMOJI * 5_000, "createdAt": "2026-08-01T12:00:00Z"}
        subject = {"subject": {"uri": f"at://{did}/app.bsky.feed.post/{key}"}}
        for collection, operation, kept in (
            ("post", "create", record),
            ("repost", "create", subject),
            ("post", "delete", None),
        ):
            commit: dict[str, Any] = {
                "rev": EMOJI * 90,
                "operation": operation,
                "collection": f"app.bsky.feed.{collection}",
                "rkey": key,
            }
            commit |= {"record": kept} if kept else {}
            whole = {"did": did, "time_us": jetstream.BEGIN_US, "kind": "commit", "commit": commit}
            yield json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def kept_by_mastodon() -> Flood:
    """Yield posts with long ids, then their deletions, and deletions of posts that never arrived."""
    for number in range(12_000):
        local_id = f"{number}".ljust(100, EMOJI)
        yield mastodon.update(0, id=local_id, uri=f"{number}".ljust(1_000, EMOJI)).strip()
        yield mastodon.event("delete", local_id).strip()
        yield mastodon.event("delete", f"x{local_id}"[:100]).strip()


KEPT = {"bluesky": kept_by_bluesky, "mastodon": kept_by_mastodon}


def remembered_mib(network: str) -> float:
    """Return the memory of a process in which a parser remembers as much as it can, in MiB."""
    parser = NETWORKS.find(network)(Settings()).open_parser(["poltwt"])
    for frame in KEPT[network]():
        parser.read(frame, "server", mastodon.NOW)
    return peak_mib(os.getpid())


@pytest.mark.parametrize("network", KEPT)
def test_memory_for_known_posts_is_bounded(network: str) -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
        assert fresh.submit(remembered_mib, network).result() < MAX_MIB - IN_FLIGHT_MIB
