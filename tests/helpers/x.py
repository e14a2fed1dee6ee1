"""X's API for tests: rules, filtered stream, compliance streams and usage; it fails in the ways that the real one does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from streams.settings import XSettings
from streams.sources.live import Timing
from streams.sources.x.source import XSource
from tests.helpers.feeds import numbers
from tests.helpers.http_server import Connection, Request, http_server

Act = Callable[[Connection], Awaitable[None]]
Failure = tuple[int, bytes, dict[str, str]]
TOKEN = "canary-x-token"
RULES = "/2/tweets/search/stream/rules"
STREAM = "/2/tweets/search/stream"
COMPLIANCE = "/2/tweets/compliance/stream"
ACCOUNTS = "/2/users/compliance/stream"
USAGE = "/2/usage/tweets"
NOW = datetime(2026, 8, 1, 13, tzinfo=UTC)
FIRST_ID = 1_900_000_000_000_000_000


def tweet_id(number: int) -> str:
    return str(FIRST_ID + number)


def tweet_id_of(moment: datetime) -> str:
    """Return the id that X gives to a tweet at this time."""
    return str(int(moment.timestamp() * 1_000) - 1_288_834_974_657 << 22)


def tweet(
    number: int, *, text: str = "#poltwt", includes: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """Return line `number` of the stream."""
    data: dict[str, Any] = {
        "id": tweet_id(number),
        "text": text,
        "author_id": "7",
        "created_at": "2026-08-01T12:00:00.000Z",
        "edit_history_tweet_ids": [tweet_id(number)],
        "entities": {"hashtags": [{"tag": "PolTwt"}]},
    }
    users = {"users": [{"id": "7", "username": "anna"}]}
    return {
        "data": data | fields,
        "includes": users | (includes or {}),
        "matching_rules": [{"id": "1", "tag": "tagpulse"}],
    }


def line(number: int, **fields: Any) -> bytes:
    return json.dumps(tweet(number, **fields), ensure_ascii=False, separators=(",", ":")).encode() + b"\r\n"


def removal(number: int, kind: str = "delete") -> bytes:
    event = {"tweet": {"id": tweet_id(number), "author_id": "7"}, "event_at": "2026-08-01T12:30:00.000Z"}
    return json.dumps({"data": {kind: event}}, separators=(",", ":")).encode() + b"\r\n"


def account_gone(author_id: str, kind: str = "user_delete") -> bytes:
    event = {"event_at": "2026-08-01T12:30:00.000Z", "user": {"id": author_id}}
    return json.dumps({"data": {kind: event}}, separators=(",", ":")).encode() + b"\r\n"


def send(*pieces: bytes) -> Act:
    async def act(connection: Connection) -> None:
        for piece in pieces:
            await connection.chunk(piece)

    return act


async def stay(connection: Connection) -> None:
    await connection.stay()


async def cut(connection: Connection) -> None:
    connection.cut()


class X:
    """An API that performs one list of acts for each stream that is opened, and the last list for all further ones."""

    def __init__(
        self,
        *streams: list[Act] | Failure,
        compliance: dict[int, list[Act]] | None = None,
        accounts: dict[int, list[Act]] | None = None,
    ) -> None:
        """Take acts by partition in `compliance` and `accounts`; without both, the plan has no compliance streams."""
        self._streams = list(streams)
        has_plan = compliance is not None or accounts is not None
        self._compliance = {COMPLIANCE: compliance or {}, ACCOUNTS: accounts or {}} if has_plan else {}
        self._opened = 0
        self.rules: dict[str, dict[str, str]] = {}
        """By id: `value` and `tag`."""
        self.refused_rules: dict[str, str] = {}
        """The title of the error for each refused value of a rule."""
        self.usage: list[tuple[int, int]] = []
        """The used and allowed posts for each request in turn; later requests get 404."""
        self.requests: list[Request] = []
        self.url = ""

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    async def handle(self, request: Request, connection: Connection) -> None:
        self.requests.append(request)
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            await connection.answer(401, b'{"title":"Unauthorized"}')
        elif request.path == RULES:
            await self._answer_rules(request, connection)
        elif request.path == USAGE and self.usage:
            used, allowed = self.usage.pop(0)
            data = {"project_usage": str(used), "project_cap": str(allowed), "cap_reset_day": 3}
            await connection.answer(200, json.dumps({"data": data}).encode())
        elif request.path == STREAM:
            self._opened += 1
            acts = self._streams[min(self._opened, len(self._streams)) - 1]
            if isinstance(acts, tuple):
                status, body, headers = acts
                await connection.answer(status, body, **headers)
            else:
                await self._stream(acts, connection)
        elif (acts_by_partition := self._compliance.get(request.path)) is not None:
            await self._stream(acts_by_partition.get(int(request.query["partition"][0]), [stay]), connection)
        else:
            await connection.answer(404 if request.path == USAGE else 403, b'{"title":"Client Forbidden"}')

    async def _stream(self, acts: list[Act], connection: Connection) -> None:
        await connection.begin("application/json")
        for act in acts:
            await act(connection)
        connection.cut()

    async def _answer_rules(self, request: Request, connection: Connection) -> None:
        if request.method == "GET":
            found = [{"id": rule_id, **rule} for rule_id, rule in self.rules.items()]
            await connection.answer(200, json.dumps({"data": found} if found else {"meta": {}}).encode())
            return
        change = json.loads(request.body)
        for rule_id in change.get("delete", {}).get("ids", []):
            self.rules.pop(rule_id, None)
        errors = []
        for rule in change.get("add", []):
            if title := self.refused_rules.get(rule["value"]):
                errors.append({"title": title, "value": rule["value"], "detail": "no"})
            else:
                self.rules[str(100 + len(self.requests))] = rule
        await connection.answer(201, json.dumps({"errors": errors} if errors else {"meta": {}}).encode())


@asynccontextmanager
async def x(*streams: list[Act] | Failure, **options: Any) -> AsyncIterator[X]:
    """Run the API on a free port for the duration of the block."""
    server = X(*streams, **options)
    async with http_server(server.handle) as url:
        server.url = url
        yield server


class Time:
    """A clock that each pause advances."""

    def __init__(self) -> None:
        self.now = NOW
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += timedelta(seconds=seconds)

    def clock(self) -> float:
        return self.now.timestamp()


def source(server: X, *tags: str, time: Time | None = None, cursor: str | None = None, **settings: Any) -> XSource:
    time = time or Time()
    return XSource(
        XSettings(url=server.url, token=TOKEN, **settings),
        tags or ("poltwt",),
        cursor=cursor,
        timing=Timing(now=lambda: time.now, clock=time.clock, sleep=time.sleep, jitter=lambda: 0.0),
    )


def ids(contents: list[Any]) -> list[int]:
    return [number - FIRST_ID for number in numbers(contents)]
