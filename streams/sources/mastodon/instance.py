"""Client of one Mastodon instance: its hashtag streams and timelines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec
from pydantic import SecretStr

from streams.sources import http
from streams.sources.mastodon.status import LocalId
from streams.sources.untyped import mapping, string
from streams.sources.wire import TooLong

PAGE = 40  # the most posts that Mastodon returns at once
_MAX_ABOUT_BYTES = 2**20
_MAX_DOMAIN = 253  # characters, the limit of DNS
BEFORE_ALL = (0, "")
"""Sorts before the order of every id."""


class StatusHead(msgspec.Struct):
    """The fields of a status that are needed before it is parsed."""

    id: LocalId
    created_at: Any = None
    edited_at: Any = None


class Status(NamedTuple):
    """A status of a timeline as received, with its head."""

    head: StatusHead
    data: bytes


class _BadPage(aiohttp.ClientError):
    """Raised when the instance does not return a list of posts."""


class Instance:
    """Sends requests to an instance; each of them can raise http.BadResponse and the errors in http.TRANSIENT_ERRORS."""

    def __init__(self, client: http.Client, url: str, token: SecretStr | None) -> None:
        self.url = url
        self.host = urlsplit(url).netloc
        self.domain = self.host
        """Domain in the names of its accounts, after the @."""
        self._client = client
        self._token = token
        self._streaming: str | None = None

    async def discover(self) -> None:
        """Look up the streaming host and the domain; an instance too old to have them streams from its own host."""
        if self._streaming is not None:
            return
        try:
            answer = await self._client.ask(
                "GET", f"{self.url}/api/v2/instance", headers=self._headers(self.url), limit=_MAX_ABOUT_BYTES
            )
            about = mapping(msgspec.json.decode(answer))
        except http.BadResponse as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            about = {}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            about = {}
        domain = string(about.get("domain"))
        self.domain = domain if 0 < len(domain) <= _MAX_DOMAIN else self.host
        self._streaming = self._streaming_url(about) or self.url

    def forget(self) -> None:
        """Make `discover` look again next time, since the streaming host may have moved."""
        self._streaming = None

    def listen(self, tag: str, silence_seconds: float) -> AbstractAsyncContextManager[AsyncIterator[bytes | TooLong]]:
        """Open the event stream of a hashtag; the context yields an iterator over its lines."""
        base = self._streaming or self.url
        return self._client.listen(
            f"{base}/api/v1/streaming/hashtag",
            params={"tag": tag},
            headers=self._headers(base) | {"Accept": "text/event-stream"},
            silence_seconds=silence_seconds,
        )

    async def missed(self, tag: str, after: str) -> AsyncIterator[list[Status]]:
        """Yield pages of the hashtag's timeline with posts after `after`, oldest first."""
        while True:
            page = await self._page(tag, min_id=after)
            news = sorted((post for post in page if _order_of(post) > order(after)), key=_order_of)
            if not news:
                return
            yield news
            after = news[-1].head.id

    async def newest(self, tag: str) -> list[Status]:
        """Return the last page of the hashtag's timeline, newest first."""
        return sorted(await self._page(tag), key=_order_of, reverse=True)

    async def latest(self, tag: str, until: str, count: int, floor: tuple[int, str]) -> list[Status]:
        """Return the last `count` posts of the hashtag's timeline from `floor` to the post `until`, newest first."""
        below = str(int(until) + 1) if until.isascii() and until.isdigit() else until
        found: list[Status] = []
        while len(found) < count:
            page = await self._page(tag, max_id=below)
            older = sorted(
                (post for post in page if floor <= _order_of(post) < order(below)), key=_order_of, reverse=True
            )
            if not older:
                break
            found += older
            below = older[-1].head.id
        return found[:count]

    async def is_gone(self, local_id: str) -> bool:
        """Return whether a post no longer exists."""
        try:
            await self._client.ask(
                "GET",
                f"{self.url}/api/v1/statuses/{quote(local_id, safe='')}",
                headers=self._headers(self.url),
            )
        except http.BadResponse as error:
            if error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
                return True
            raise
        return False

    async def _page(self, tag: str, **bounds: str) -> list[Status]:
        url = f"{self.url}/api/v1/timelines/tag/{quote(tag, safe='')}"
        answer = await self._client.ask(
            "GET", url, params=bounds | {"limit": str(PAGE)}, headers=self._headers(self.url)
        )
        try:
            statuses = msgspec.json.decode(answer, type=list[msgspec.Raw])
            return [Status(msgspec.json.decode(status, type=StatusHead), bytes(status)) for status in statuses]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _BadPage(f"{self.url} did not return a list of posts: {error}") from None

    def _headers(self, base: str) -> dict[str, str]:
        # never send the token unencrypted if the instance itself is configured with https
        if self._token is None or (self.url.startswith("https:") and not base.startswith("https:")):
            return {}
        return {"Authorization": f"Bearer {self._token.get_secret_value()}"}

    def _streaming_url(self, about: dict[str, Any]) -> str | None:
        url = string(mapping(mapping(about.get("configuration")).get("urls")).get("streaming")).rstrip("/")
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        scheme = {"wss": "https", "ws": "http"}.get(parts.scheme, parts.scheme)
        return f"{scheme}://{parts.netloc}{parts.path}" if parts.netloc and scheme in ("http", "https") else None


def _order_of(status: Status) -> tuple[int, str]:
    return order(status.head.id)


def order(local_id: str) -> tuple[int, str]:
    """Return a sort key of an id by age: ids are decimal numbers, or words of equal length."""
    return len(local_id), local_id
