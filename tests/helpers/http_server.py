"""An HTTP server for tests on a raw socket: it can send anything, in pieces of any size, and stop anywhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Request:
    """A request of a client."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes = b""


class Connection:
    """A connection through which a test answers a request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Send a complete answer."""
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def begin(self, kind: str) -> None:
        """Send the head of a chunked answer of the content type `kind`."""
        await self.send(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())

    async def chunk(self, data: bytes) -> None:
        """Send a chunk of the body."""
        await self.send(b"%x\r\n" % len(data) + data + b"\r\n")

    async def drip(self, data: bytes) -> None:
        """Send a piece of the body, one byte at a time."""
        for byte in data:
            await self.chunk(bytes([byte]))
            await asyncio.sleep(0.02)

    async def end(self) -> None:
        """End the body properly."""
        await self.send(b"0\r\n\r\n")

    def close(self) -> None:
        """Close the connection after everything has been sent."""
        self._writer.close()

    def cut(self) -> None:
        """Drop the connection at once."""
        self._writer.transport.abort()

    async def stay(self) -> None:
        """Send nothing more and wait until the client disconnects."""
        with contextlib.suppress(ConnectionError):
            await self._reader.read()


Handler = Callable[[Request, Connection], Awaitable[None]]


@asynccontextmanager
async def http_server(handler: Handler) -> AsyncIterator[str]:
    """Run the server on a free port for the duration of the block, and yield its address."""
    serving: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            while request := await _read(reader):
                await handler(request, Connection(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            serving.discard(task)
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Request | None:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    return Request(method, unquote(parts.path), parse_qs(parts.query), headers, body)
