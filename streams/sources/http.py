"""HTTP as the sources use it: bounded answers, streams of lines, and what an answer that is no success asks for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import version

import aiohttp

from streams.safe_text import without_secrets
from streams.sources.wire import LineSplitter, TooLong

REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
"""They say no for good."""

MAX_LINE_BYTES = 4 * 2**20
TROUBLE = (aiohttp.ClientError, OSError, EOFError)
"""What passes by itself; TimeoutError is an OSError."""

_MAX_ANSWER_BYTES = 16 * 2**20
_EXCERPT_BYTES = 2_000
_OPEN_SECONDS = 20.0
_ANSWER_SECONDS = 60.0
_MAX_RESET_SECONDS = (
    900.0  # the longest window of any of the networks: a clock that is wrong must not stop us for years
)
_MAX_REDIRECTS = 3


class BadAnswer(Exception):
    """The server answers, but not with what was asked for."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        said = " ".join(body[:200].decode("utf-8", "replace").split())
        super().__init__(f"HTTP {status}" + (f": {said}" if said else ""))
        self.status = status
        self.headers = headers
        self.body = body

    def reset_seconds(self, now: datetime) -> float:
        """How long the server asks us to wait; 0 when it does not say."""
        for name in ("Retry-After", "X-RateLimit-Reset", "X-Rate-Limit-Reset"):
            at = _moment(self.headers.get(name, ""), now)
            if at is not None:
                return min(max(0.0, (at - now).total_seconds()), _MAX_RESET_SECONDS)
        return 0.0


def _moment(text: str, now: datetime) -> datetime | None:
    """Seconds from now, seconds since 1970, ISO 8601 or the form of HTTP."""
    try:
        if text.isascii() and text.isdigit():
            seconds = int(text[:15])
            return datetime.fromtimestamp(seconds if seconds > 10**8 else now.timestamp() + seconds, UTC)
        moment = datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def open_session() -> aiohttp.ClientSession:
    """A client that checks certificates, keeps no cookies and takes no compressed bodies (they could be bombs)."""
    return aiohttp.ClientSession(
        headers={"User-Agent": f"tagpulse/{version('tagpulse')}", "Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_OPEN_SECONDS),
        connector=aiohttp.TCPConnector(limit=0),  # a stream for each hashtag and instance
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        max_line_size=16_384,
        max_field_size=16_384,
    )


async def ask(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    params: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> bytes:
    """The whole body of an answer. Raises BadAnswer, and what is in TROUBLE."""
    async with (
        asyncio.timeout(_ANSWER_SECONDS),
        session.request(
            method, url, params=params, headers=headers, data=body, max_redirects=_MAX_REDIRECTS
        ) as response,
    ):
        await _check(response)
        answer = bytearray()
        async for piece in response.content.iter_any():
            answer += piece
            if len(answer) > _MAX_ANSWER_BYTES:
                raise BadAnswer(response.status, response.headers, b"an answer above 16 MiB")
        return bytes(answer)


@contextlib.asynccontextmanager
async def listen(
    session: aiohttp.ClientSession, url: str, *, params: Mapping[str, str], headers: Mapping[str, str]
) -> AsyncIterator[aiohttp.ClientResponse]:
    """An answer that never ends. Raises BadAnswer, and what is in TROUBLE."""
    async with contextlib.AsyncExitStack() as stack:
        async with asyncio.timeout(_OPEN_SECONDS):
            response = await stack.enter_async_context(
                session.get(url, params=params, headers=headers, max_redirects=_MAX_REDIRECTS)
            )
            await _check(response)
        yield response


async def lines(response: aiohttp.ClientResponse, silence_seconds: float) -> AsyncIterator[bytes | TooLong]:
    """The lines of the body, while they come. Raises what is in TROUBLE, also when no whole line comes for too long."""
    splitter = LineSplitter(MAX_LINE_BYTES)
    ended: list[bytes | TooLong] = []
    while True:
        try:
            # only a whole line counts: a server that gives a byte now and then is as good as silent
            async with asyncio.timeout(silence_seconds):
                while not ended:
                    data = await response.content.readany()
                    if not data:
                        raise EOFError("the server ended the stream")
                    ended = list(splitter.feed(data))
        except TimeoutError:
            raise TimeoutError(f"no line within {silence_seconds:g} s") from None
        for line in ended:
            yield line
        ended = []


async def _check(response: aiohttp.ClientResponse) -> None:
    if response.status != HTTPStatus.OK and response.status != HTTPStatus.CREATED:
        body = await response.content.read(_EXCERPT_BYTES)
        token = response.request_info.headers.get("Authorization", "").rpartition(" ")[2]
        told = without_secrets(body.decode("utf-8", "surrogateescape"), token).encode("utf-8", "surrogateescape")
        raise BadAnswer(response.status, response.headers, told)
