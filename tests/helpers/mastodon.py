"""A Mastodon instance for tests: it speaks the protocol, and fails in the ways that real ones do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from streams.settings import MastodonSettings
from streams.sources.live import Timing
from streams.sources.mastodon.source import MastodonSource
from tests.helpers.feeds import no_sleep
from tests.helpers.http_server import Connection, Request, http_server

Act = Callable[[Connection], Awaitable[None]]
TOKEN = "canary-mastodon-token"
NOW = datetime(2026, 8, 1, 13, tzinfo=UTC)
"""An hour after the first post."""


def status(number: int, *, text: str = "#poltwt", host: str = "example.social", **fields: Any) -> dict[str, Any]:
    """Return post `number`, written a second after the previous one; its id depends on the instance, its URI does not."""
    minutes, seconds = divmod(number, 60)
    written: dict[str, Any] = {
        "id": str(1000 + number),
        "uri": f"https://{host}/users/anna/statuses/{number}",
        "url": f"https://{host}/@anna/{number}",
        "content": f"<p>{text}</p>",
        "created_at": f"2026-08-01T{12 + minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}.000Z",
        "visibility": "public",
        "account": {"acct": "anna"},
        "tags": [{"name": "poltwt", "url": ""}],
    }
    return written | fields


def event(name: str, data: dict[str, Any] | str) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return f"event: {name}\ndata: {text}\n\n".encode()


def update(number: int, **fields: Any) -> bytes:
    return event("update", status(number, **fields))


def send(*pieces: bytes) -> Act:
    async def act(connection: Connection) -> None:
        for piece in pieces:
            await connection.chunk(piece)

    return act


async def stay(connection: Connection) -> None:
    await connection.stay()


async def cut(connection: Connection) -> None:
    connection.cut()


Failure = tuple[int, dict[str, str]]


class Mastodon:
    """An instance that performs one list of acts for each stream that is opened, and the last list for all further ones."""

    def __init__(
        self,
        *streams: list[Act] | int | Failure,
        timeline: Sequence[dict[str, Any]] = (),
        missed: Sequence[dict[str, Any]] = (),
    ) -> None:
        """Take `missed`, the posts that are added to the timeline when the second stream is opened."""
        self._streams = list(streams)
        self._opened = 0
        self._started = 0
        self._filled = asyncio.Event()
        self.timeline = list(timeline)
        """The posts in the timeline of the hashtag."""
        self._missed = missed
        self.hidden: list[dict[str, Any]] = []
        """Posts that exist but are not in the timeline."""
        self.requests: list[Request] = []
        self.url = ""
        self.streaming_url: str | None = None
        self.domain = "example.social"
        self.failing: dict[str, list[Failure]] = {}
        """By path: failures that are returned first, each once."""

    @property
    def streams(self) -> list[Request]:
        return [request for request in self.requests if request.path == "/api/v1/streaming/hashtag"]

    @property
    def pages(self) -> list[str]:
        """The `min_id` of every page that was requested."""
        return [request.query["min_id"][0] for request in self.requests if "min_id" in request.query]

    async def handle(self, request: Request, connection: Connection) -> None:
        self.requests.append(request)
        if failing := self.failing.get(request.path):
            code, headers = failing.pop(0)
            await connection.answer(code, b'{"error":"no"}', **headers)
        elif request.path == "/api/v2/instance":
            urls = {"streaming": (self.streaming_url or self.url).replace("http:", "ws:")}
            about = {"domain": self.domain, "configuration": {"urls": urls}}
            await connection.answer(200, json.dumps(about).encode())
        elif request.path.startswith("/api/v1/timelines/tag/"):
            limit = int(request.query["limit"][0])
            ordered = sorted(self.timeline, key=lambda post: int(post["id"]))
            if "min_id" in request.query:
                after = int(request.query["min_id"][0])
                page = [post for post in ordered if int(post["id"]) > after][:limit]
            else:
                below = int(request.query.get("max_id", ["9" * 20])[0])
                page = [post for post in ordered if int(post["id"]) < below][-limit:]
            await connection.answer(200, json.dumps(list(reversed(page))).encode())
            if "min_id" in request.query and not page:
                self._filled.set()
        elif request.path.startswith("/api/v1/statuses/"):
            there = [post for post in self.timeline + self.hidden if post["id"] == request.path.rpartition("/")[2]]
            await connection.answer(200 if there else 404, json.dumps(there[0]).encode() if there else b"{}")
        elif request.path == "/api/v1/streaming/hashtag":
            self._opened += 1
            acts = self._streams[min(self._opened, len(self._streams)) - 1]
            if not isinstance(acts, list):
                code, headers = acts if isinstance(acts, tuple) else (acts, {})
                await connection.answer(code, b'{"error":"no"}', **headers)
                return
            self._started += 1
            if self._started == 2:
                self.timeline += self._missed
            self._filled.clear()
            await connection.begin("text/event-stream")
            await connection.chunk(b":)\n\n")
            if acts and acts[-1] is not stay:
                # posts that have not been read when the connection breaks are lost
                await self._filled.wait()
            for act in acts:
                await act(connection)
            connection.cut()
        else:
            await connection.answer(404)


@asynccontextmanager
async def mastodon(*streams: list[Act] | int | Failure, **options: Any) -> AsyncIterator[Mastodon]:
    """Run the instance on a free port for the duration of the block."""
    server = Mastodon(*streams, **options)
    async with http_server(server.handle) as url:
        server.url = url
        yield server


def source(
    *servers: Mastodon, tags: tuple[str, ...] = ("poltwt",), cursor: str | None = None, **settings: Any
) -> MastodonSource:
    hosts = ",".join(server.url for server in servers)
    tokens = ",".join(f"{server.url.removeprefix('http://')}={TOKEN}" for server in servers)
    return MastodonSource(
        MastodonSettings(instances=hosts, tokens=tokens, **settings),
        tags,
        cursor=cursor,
        timing=Timing(now=lambda: NOW, sleep=no_sleep, jitter=lambda: 0.0),
    )
