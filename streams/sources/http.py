"""HTTP client of the sources, with bounded responses, line streams and the waiting times that errors ask for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from importlib.metadata import version
from types import TracebackType
from typing import Any, Self

import aiohttp
from yarl import URL

from streams.retry.retry_after import seconds_asked
from streams.sources.addresses import SocketGuard
from streams.sources.base import MAX_FRAME_BYTES
from streams.sources.wire import LineSplitter, TooLong
from streams.text.safe_text import MASK, without_secrets

REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
"""Status codes of a permanent refusal."""

MAX_ANSWER_BYTES = 16 * 2**20
TRANSIENT_ERRORS = (aiohttp.ClientError, OSError, EOFError)
"""Errors that are likely to be temporary; TimeoutError is an OSError."""

_EXCERPT_BYTES = 2_000
OPEN_SECONDS = 20.0
"""Timeout of a connection, and of the head of a stream."""
ANSWER_SECONDS = 60.0
"""Timeout of a whole response."""
# the longest rate-limit window of any network: a wrong clock must not stop us for years
_MAX_RESET_SECONDS = 900.0
_MAX_REDIRECTS = 3
_LINES_AT_ONCE = 1_000
_BAD_ADDRESS = "the address, or one that it redirects to, cannot be used"
_REDIRECTS = (
    HTTPStatus.MOVED_PERMANENTLY,
    HTTPStatus.FOUND,
    HTTPStatus.SEE_OTHER,
    HTTPStatus.TEMPORARY_REDIRECT,
    HTTPStatus.PERMANENT_REDIRECT,
)


class BadResponse(Exception):
    """Raised for an error status, or for a response that cannot be used."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        excerpt = " ".join(body[:200].decode("utf-8", "replace").split())
        super().__init__(f"HTTP {status}" + (f": {excerpt}" if excerpt else ""))
        self.status = status
        self.headers = headers
        self.body = body

    def reset_seconds(self, now: datetime) -> float:
        """Return the seconds that the server asks us to wait, or 0 if it does not say."""
        headers = (self.headers.get(name) for name in ("Retry-After", "X-RateLimit-Reset", "X-Rate-Limit-Reset"))
        waits = (seconds_asked(header, now.timestamp(), _MAX_RESET_SECONDS) for header in headers)
        return next((wait for wait in waits if wait is not None), 0.0)


class InvalidResponse(aiohttp.ClientError):
    """Raised for a response or an address that cannot be used."""


class Client:
    """Sends requests to one server while its `async with` block runs, and follows its redirects.

    It verifies certificates, keeps no cookies and accepts no compressed bodies, which could be bombs. No redirect
    sends the token to another host, and it is masked in everything returned or raised, even if the server echoes it.
    """

    def __init__(self, url: str) -> None:
        """Prepare a client; connections are opened later.

        Args:
            url: URL of the server as configured.
        """
        self._url = url

    async def __aenter__(self) -> Self:
        reach = SocketGuard()
        self._own = _open_session(reach.open_own)
        self._others = _open_session(reach.open_other)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._own.close()
        await self._others.close()

    async def ask(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limit: int = MAX_ANSWER_BYTES,
    ) -> bytes:
        """Send a request and return the whole body of the response.

        Raises:
            BadResponse: The status is an error, or the body is longer than `limit` bytes.
            ClientError, OSError, EOFError: A temporary error (`TRANSIENT_ERRORS`).
        """
        headers = headers or {}
        async with (
            asyncio.timeout(ANSWER_SECONDS),
            self._open(method, url, params=params, headers=headers, data=body) as response,
        ):
            answer = bytearray()
            with _sanitised_errors(headers):
                async for piece in response.content.iter_any():
                    answer += piece
                    if len(answer) > limit:
                        raise BadResponse(
                            response.status, response.headers, b"the response is larger than %d bytes" % limit
                        )
            return _without_token(bytes(answer), _token(headers))

    @contextlib.asynccontextmanager
    async def listen(
        self, url: str, *, params: Mapping[str, str], headers: Mapping[str, str], silence_seconds: float
    ) -> AsyncIterator[AsyncIterator[bytes | TooLong]]:
        """Open a response that never ends and yield an iterator over its lines.

        Raises:
            BadResponse: The status is an error.
            ClientError, OSError, EOFError: A temporary error (`TRANSIENT_ERRORS`). The iterator raises these, too, for instance
                if no complete line arrives for `silence_seconds`.
        """
        async with contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(OPEN_SECONDS):
                response = await stack.enter_async_context(self._open("GET", url, params=params, headers=headers))
            yield _lines(response, headers, silence_seconds)

    @contextlib.asynccontextmanager
    async def _open(
        self, method: str, url: str, *, headers: Mapping[str, str], **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open a successful response, after following redirects."""
        async with contextlib.AsyncExitStack() as stack:
            with _sanitised_errors(headers):
                own = URL(url).origin() == URL(self._url).origin()
                session = self._own if own else self._others
                request = session.request(method, url, headers=headers, allow_redirects=False, **options)
                response = await stack.enter_async_context(request)
                if method == "GET" and response.status in _REDIRECTS and "Location" in response.headers:
                    target = response.url.join(URL(response.headers["Location"]))
                    carried = headers if target.origin() == response.url.origin() else _without_authorization(headers)
                    # the address of every redirect target is checked when its socket is opened
                    request = self._others.get(target, headers=carried, max_redirects=_MAX_REDIRECTS - 1)
                    response = await stack.enter_async_context(request)
                if response.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
                    excerpt = await response.content.read(_EXCERPT_BYTES)
                    raise BadResponse(response.status, response.headers, _without_token(excerpt, _token(headers)))
            yield response


def _open_session(socket_factory: Any) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        headers={"User-Agent": f"tagpulse/{version('tagpulse')}", "Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=OPEN_SECONDS),
        # no limit: there is one stream for each hashtag and instance
        connector=aiohttp.TCPConnector(limit=0, socket_factory=socket_factory),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        max_line_size=16_384,
        max_field_size=16_384,
    )


async def _lines(
    response: aiohttp.ClientResponse, headers: Mapping[str, str], silence_seconds: float
) -> AsyncIterator[bytes | TooLong]:
    splitter, token = LineSplitter(MAX_FRAME_BYTES), _token(headers)
    ended: list[bytes | TooLong] = []
    while True:
        try:
            # only a complete line counts: a server that sends a byte now and then is as good as silent
            async with asyncio.timeout(silence_seconds):
                while not ended:
                    with _sanitised_errors(headers):
                        data = await response.content.readany()
                    if not data:
                        raise EOFError("the server ended the stream")
                    ended = list(splitter.feed(data))
        except TimeoutError:
            raise TimeoutError(f"no line within {silence_seconds:g} s") from None
        for number, line in enumerate(ended, 1):
            if number % _LINES_AT_ONCE == 0:
                await asyncio.sleep(0)  # lets signals be handled even while only empty lines arrive
            if isinstance(line, TooLong):
                yield TooLong(_without_token(line.begin, token), line.size)
            else:
                yield _without_token(line, token)
        ended = []


@contextlib.contextmanager
def _sanitised_errors(headers: Mapping[str, str]) -> Iterator[None]:
    """Re-raise as InvalidResponse, with the token masked, errors that may quote the server or stem from an address it chose."""
    try:
        yield
    except aiohttp.InvalidURL:
        raise InvalidResponse(_BAD_ADDRESS) from None
    except aiohttp.ClientError as error:
        raise InvalidResponse(without_secrets(str(error) or repr(error), _token(headers))) from None
    except OSError:  # some ssl errors are ValueErrors, too
        raise
    except ValueError:  # raised by yarl and by the encoding of host names
        raise InvalidResponse(_BAD_ADDRESS) from None


def _without_authorization(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != "Authorization"}


def _without_token(data: bytes, token: str) -> bytes:
    return data.replace(token.encode(), MASK.encode()) if token else data


def _token(headers: Mapping[str, str]) -> str:
    return headers.get("Authorization", "").rpartition(" ")[2]
