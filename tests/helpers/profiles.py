"""A server of Bluesky profiles for tests: it answers as the public one does, and can fail."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.helpers.http_server import Connection, Request, http_server

Trouble = Callable[[Connection], Awaitable[None]]
_IDENTIFIER = re.compile(r"did:[a-z]+:[a-zA-Z0-9._:%-]*[a-zA-Z0-9._-]")


def label(did: str, value: str, **fields: Any) -> dict[str, Any]:
    """Return a label as an account puts it on its own profile."""
    uri = f"at://{did}/app.bsky.actor.profile/self"
    return {"src": did, "uri": uri, "cid": "bafy", "val": value, "cts": "1970-01-01T00:00:00.000Z"} | fields


def profile(did: str, *labels: dict[str, Any]) -> dict[str, Any]:
    handle = f"{did.rpartition(':')[2]}.example"
    return {"did": did, "handle": handle, "displayName": "Anna", "postsCount": 7, "labels": list(labels)}


def answers(status: int, body: bytes = b'{"error":"InternalServerError"}', **headers: str) -> Trouble:
    async def trouble(connection: Connection) -> None:
        await connection.answer(status, body, **headers)

    return trouble


async def cuts(connection: Connection) -> None:
    """Drop the connection in the middle of an answer."""
    await connection.send(b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"profiles":[')
    connection.cut()


class Profiles:
    """A server that knows every account."""

    def __init__(self, *troubles: Trouble, hidden: set[str] | None = None) -> None:
        self._troubles = list(troubles)
        """The troubles of the first requests."""
        self.hidden = hidden or set()
        """Accounts that do not want to be shown to visitors who are not signed in."""
        self.breaking = ""
        """An account whose lookup makes the server fail."""
        self.asked: list[list[str]] = []
        """The accounts of each request."""
        self.open = asyncio.Event()
        """Answers wait until it is set."""
        self.open.set()
        self.url = ""

    async def handle(self, request: Request, connection: Connection) -> None:
        actors = request.query.get("actors", [])
        self.asked.append(actors)
        if self._troubles:
            await self._troubles.pop(0)(connection)
            return
        await self.open.wait()
        if self.breaking in actors:
            await connection.answer(500, b'{"error":"InternalServerError"}')
            return
        if request.path != "/xrpc/app.bsky.actor.getProfiles":
            await connection.answer(501, b'{"error":"MethodNotImplemented","message":"Method Not Implemented"}')
        elif not actors or len(actors) > 25 or not all(map(_IDENTIFIER.fullmatch, actors)):
            await connection.answer(400, b'{"error":"InvalidRequest","message":"Error: actors"}')
        else:
            labels = {did: [label(did, "!no-unauthenticated")] for did in self.hidden}
            found = [profile(did, *labels.get(did, [])) for did in actors]
            await connection.answer(200, json.dumps({"profiles": found}).encode(), Content_Type="application/json")


@asynccontextmanager
async def profiles(*troubles: Trouble, hidden: set[str] | None = None) -> AsyncIterator[Profiles]:
    """Run the server on a free port for the duration of the block."""
    server = Profiles(*troubles, hidden=hidden)
    async with http_server(server.handle) as url:
        server.url = url
        yield server
