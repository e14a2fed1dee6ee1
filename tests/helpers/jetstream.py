"""A Jetstream server for tests: it speaks the protocol, and fails in the ways that the real one does."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

Act = Callable[[ServerConnection], Awaitable[None]]
Answer = list[Act] | HTTPStatus | tuple[HTTPStatus, str] | tuple[HTTPStatus, str, dict[str, str]]
"""How a server answers a connection: with acts, or with an HTTP status, with or without a body and headers."""

VERSION_2 = "/xrpc/network.bsky.jetstream.subscribeEvents"

BEGIN_US = 1_785_585_600_000_000


def frame(
    number: int,
    *,
    text: str = "#poltwt",
    operation: str = "create",
    at_us: int | None = None,
    did: str = "did:plc:test",
) -> bytes:
    """Return post `number`, a tenth of a second after the previous one."""
    commit: dict[str, Any] = {
        "rev": f"rev-{number}-{operation}",
        "operation": operation,
        "collection": "app.bsky.feed.post",
        "rkey": f"{number:013d}",
    }
    if operation != "delete":
        commit["record"] = {"text": text, "createdAt": "2026-08-01T12:00:00Z", "langs": ["de"]}
    time_us = BEGIN_US + number * 100_000 if at_us is None else at_us
    whole = {"did": did, "time_us": time_us, "kind": "commit", "commit": commit}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def message(number: int, **fields: Any) -> bytes:
    """Return the same post as `frame` in version 2 of the protocol."""
    whole = json.loads(frame(number, **fields))
    at = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=whole["time_us"])).isoformat()
    payload = {"seq": 100 + number, "did": whole["did"], "time": at, "witnessedAt": at} | whole["commit"]
    return json.dumps({"$type": "message", "payload": payload}, separators=(",", ":")).encode()


def info(name: str) -> bytes:
    """Return what a server of version 2 says about a cursor."""
    payload = {"$type": "network.bsky.jetstream.subscribeEvents#info", "name": name, "message": "so it is"}
    return json.dumps({"$type": "message", "payload": payload}).encode()


def repost(number: int, of: int, *, did: str, by: str) -> bytes:
    """Return repost `number`, in which the account `by` shares post `of` of the account `did`."""
    whole = json.loads(frame(number, did=by))
    uri = f"at://{did}/app.bsky.feed.post/{of:013d}"
    record = {"subject": {"uri": uri, "cid": "bafy"}, "createdAt": "2026-08-01T12:00:00Z"}
    whole["commit"] |= {"collection": "app.bsky.feed.repost", "record": record}
    return json.dumps(whole, separators=(",", ":")).encode()


def send(*frames: bytes) -> Act:
    async def act(socket: ServerConnection) -> None:
        for data in frames:
            await socket.send(data, text=True)

    return act


def _text_frame(data: bytes) -> bytes:
    """Return the WebSocket frame in which a server sends 126 to 65,535 bytes (RFC 6455, 5.2)."""
    return b"\x81\x7e" + len(data).to_bytes(2, "big") + data


async def _cut_after(start: bytes, socket: ServerConnection) -> None:
    await asyncio.sleep(0.05)  # everything sent before must have left
    socket.transport.write(start)
    await asyncio.sleep(0.05)
    socket.transport.abort()


async def cut_in_mid_frame(socket: ServerConnection) -> None:
    """Send half a frame, then drop the connection."""
    whole = _text_frame(frame(999))
    await _cut_after(whole[: len(whole) // 2], socket)


async def cut_in_mid_character(socket: ServerConnection) -> None:
    """Send the first of two fragments, which ends with half a character, then drop the connection."""
    whole = frame(999, text="#poltwt \N{POLICE CAR}")
    start = whole[: whole.index(b"#poltwt") + 10]
    await _cut_after(bytes([0x01, 0x7E]) + len(start).to_bytes(2, "big") + start, socket)


async def drip(socket: ServerConnection) -> None:
    """Send a frame, one byte at a time."""
    for byte in _text_frame(frame(999)):
        if socket.transport.is_closing():
            return
        socket.transport.write(bytes([byte]))
        await asyncio.sleep(0.02)


async def murmur(socket: ServerConnection) -> None:
    """Send frames without the hashtag endlessly: the network is never silent."""
    for number in itertools.count(10_000):
        await socket.send(frame(number, text="#other"), text=True)
        await asyncio.sleep(0.005)


async def stay(socket: ServerConnection) -> None:
    """Send nothing more and wait until the client disconnects."""
    await socket.wait_closed()


class Jetstream:
    """A server that performs one list of acts for each connection, and the last list for all further ones."""

    def __init__(self, *connections: Answer) -> None:
        self._connections = list(connections)
        self.queries: list[dict[str, list[str]]] = []
        self.url = ""

    @property
    def cursors(self) -> list[int | None]:
        return [int(query["cursor"][0]) if "cursor" in query else None for query in self.queries]

    def _current(self) -> Answer:
        return self._connections[min(len(self.queries), len(self._connections)) - 1]

    def process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        self.queries.append(parse_qs(urlsplit(request.path).query))
        current = self._current()
        if isinstance(current, HTTPStatus):
            return connection.respond(current, "no")
        if not isinstance(current, tuple):
            return None
        status, body, *more = current
        response = connection.respond(status, body)
        for headers in more:
            response.headers.update(headers)
        return response

    async def handle(self, socket: ServerConnection) -> None:
        acts = self._current()
        assert isinstance(acts, list)
        try:
            for act in acts:
                await act(socket)
        except ConnectionClosed:
            pass


@asynccontextmanager
async def jetstream(*connections: Answer, path: str = "/subscribe") -> AsyncIterator[Jetstream]:
    """Run the server on a free port for the duration of the block."""
    server = Jetstream(*connections)
    # uncompressed, so that the buffers between server and client fill up as a test expects
    async with serve(
        server.handle,
        "127.0.0.1",
        0,
        process_request=server.process_request,
        compression=None,
        subprotocols=[Subprotocol("xrpc.v1.json")],
        select_subprotocol=lambda _, offered: offered[0] if offered else None,
    ) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        server.url = f"ws://127.0.0.1:{port}{path}"
        yield server
