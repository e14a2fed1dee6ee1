"""The WebSocket of a Jetstream: what it offers, and when it gives up on a server."""

from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response

from streams.sources.bluesky.jetstream_socket import Connect

PING = Frame(Opcode.PING, b"x" * 125)


async def _outcome(pings: int, last: Frame, *, reads: bool) -> str:
    """Connect to a server that sends `pings` pings; return its message, or the reason why the connection ended."""

    over = asyncio.Event()

    async def handle(socket: ServerConnection) -> None:
        assert socket.request is not None
        assert "Sec-WebSocket-Extensions" not in socket.request.headers
        if not reads:
            socket.transport.pause_reading()
        socket.transport.write(PING.serialize(mask=False) * pings)
        socket.transport.write(last.serialize(mask=False))
        await over.wait()

    async with serve(handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with (
            asyncio.timeout(20),
            await Connect(f"ws://127.0.0.1:{port}/subscribe", None, reposts=False) as socket,
        ):
            try:
                return str(await socket.recv())
            except ConnectionClosedError as error:
                return str(error)
            finally:
                over.set()


async def test_some_pings_are_answered() -> None:
    assert await _outcome(100, Frame(Opcode.TEXT, b"a post"), reads=True) == "a post"


@pytest.mark.parametrize("reads", [True, False])
async def test_too_many_pings_end_the_connection(reads: bool) -> None:
    assert "more than 100 pings in 10 s" in await _outcome(200, PING, reads=reads)


async def test_no_redirect_is_followed() -> None:
    asked: list[str] = []

    def redirect(connection: ServerConnection, request: Request) -> Response:
        asked.append(request.path)
        response = connection.respond(302, "")
        response.headers["Location"] = "/elsewhere"
        return response

    async with serve(lambda _: asyncio.sleep(0), "127.0.0.1", 0, process_request=redirect) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        with pytest.raises(InvalidStatus):
            await Connect(f"ws://127.0.0.1:{port}/subscribe", None, reposts=False)
    assert len(asked) == 1
