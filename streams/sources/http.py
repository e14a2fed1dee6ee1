"""HTTP as the sources use it: bounded answers, streams of lines, and what an answer that is no success asks for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import version
from types import TracebackType
from typing import Any, Self

import aiohttp
from yarl import URL

from streams.sources.addresses import Reach
from streams.sources.base import MAX_FRAME_BYTES
from streams.sources.wire import LineSplitter, TooLong
from streams.text.safe_text import MASK, without_secrets

REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
"""They say no for good."""

MAX_ANSWER_BYTES = 16 * 2**20
TROUBLE = (aiohttp.ClientError, OSError, EOFError)
"""What passes by itself; TimeoutError is an OSError."""

_EXCERPT_BYTES = 2_000
_OPEN_SECONDS = 20.0
_ANSWER_SECONDS = 60.0
_MAX_RESET_SECONDS = (
    900.0  # the longest window of any of the networks: a clock that is wrong must not stop us for years
)
_MAX_REDIRECTS = 3
_LINES_AT_ONCE = 1_000
_BAD_ADDRESS = "an address, or where it leads, cannot be used"
_REDIRECTS = (
    HTTPStatus.MOVED_PERMANENTLY,
    HTTPStatus.FOUND,
    HTTPStatus.SEE_OTHER,
    HTTPStatus.TEMPORARY_REDIRECT,
    HTTPStatus.PERMANENT_REDIRECT,
)


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


class Broken(aiohttp.ClientError):
    """An answer or an address that cannot be used."""


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


class Client:
    """Asks one server, while its `async with` block runs, and follows where it sends us.

    It checks certificates, keeps no cookies and takes no compressed bodies, which could be bombs. No redirect carries the
    token to another host, and nothing that is returned or raised holds it, whatever the server repeats of our requests.
    """

    def __init__(self, url: str) -> None:
        """`url`: of the server, as the operator named it."""
        self._url = url

    async def __aenter__(self) -> Self:
        reach = Reach()
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
        """The whole body of an answer, of `limit` bytes at most. Raises BadAnswer, and what is in TROUBLE."""
        headers = headers or {}
        async with (
            asyncio.timeout(_ANSWER_SECONDS),
            self._open(method, url, params=params, headers=headers, data=body) as response,
        ):
            answer = bytearray()
            with _in_our_words(headers):
                async for piece in response.content.iter_any():
                    answer += piece
                    if len(answer) > limit:
                        raise BadAnswer(response.status, response.headers, b"an answer above %d bytes" % limit)
            return _without_token(bytes(answer), _token(headers))

    @contextlib.asynccontextmanager
    async def listen(
        self, url: str, *, params: Mapping[str, str], headers: Mapping[str, str], silence_seconds: float
    ) -> AsyncIterator[AsyncIterator[bytes | TooLong]]:
        """The lines of an answer that never ends. Raises BadAnswer, and what is in TROUBLE.

        The lines raise it as well, also when no whole one comes for `silence_seconds`.
        """
        async with contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(_OPEN_SECONDS):
                response = await stack.enter_async_context(self._open("GET", url, params=params, headers=headers))
            yield _lines(response, headers, silence_seconds)

    @contextlib.asynccontextmanager
    async def _open(
        self, method: str, url: str, *, headers: Mapping[str, str], **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer that is a success."""
        async with contextlib.AsyncExitStack() as stack:
            with _in_our_words(headers):
                own = URL(url).origin() == URL(self._url).origin()
                session = self._own if own else self._others
                request = session.request(method, url, headers=headers, allow_redirects=False, **options)
                response = await stack.enter_async_context(request)
                if method == "GET" and response.status in _REDIRECTS and "Location" in response.headers:
                    target = response.url.join(URL(response.headers["Location"]))
                    carried = headers if target.origin() == response.url.origin() else _without_login(headers)
                    # each address that it leads to is looked at when the socket is opened
                    request = self._others.get(target, headers=carried, max_redirects=_MAX_REDIRECTS - 1)
                    response = await stack.enter_async_context(request)
                if response.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
                    excerpt = await response.content.read(_EXCERPT_BYTES)
                    raise BadAnswer(response.status, response.headers, _without_token(excerpt, _token(headers)))
            yield response


def _open_session(socket_factory: Any) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        headers={"User-Agent": f"tagpulse/{version('tagpulse')}", "Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_OPEN_SECONDS),
        # a stream for each hashtag and instance
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
            # only a whole line counts: a server that gives a byte now and then is as good as silent
            async with asyncio.timeout(silence_seconds):
                while not ended:
                    with _in_our_words(headers):
                        data = await response.content.readany()
                    if not data:
                        raise EOFError("the server ended the stream")
                    ended = list(splitter.feed(data))
        except TimeoutError:
            raise TimeoutError(f"no line within {silence_seconds:g} s") from None
        for number, line in enumerate(ended, 1):
            if number % _LINES_AT_ONCE == 0:
                await asyncio.sleep(0)  # a signal is heard also while nothing but empty lines comes
            if isinstance(line, TooLong):
                yield TooLong(_without_token(line.begin, token), line.size)
            else:
                yield _without_token(line, token)
        ended = []


@contextlib.contextmanager
def _in_our_words(headers: Mapping[str, str]) -> Iterator[None]:
    """Raises Broken for every error in which a server's words may stand, or that an address of its choice caused."""
    try:
        yield
    except aiohttp.InvalidURL:
        raise Broken(_BAD_ADDRESS) from None
    except aiohttp.ClientError as error:
        raise Broken(without_secrets(str(error) or repr(error), _token(headers))) from None
    except OSError:  # some of ssl are ValueErrors, too
        raise
    except ValueError:  # of yarl, and of the encoding of host names
        raise Broken(_BAD_ADDRESS) from None


def _without_login(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != "Authorization"}


def _without_token(data: bytes, token: str) -> bytes:
    return data.replace(token.encode(), MASK.encode()) if token else data


def _token(headers: Mapping[str, str]) -> str:
    return headers.get("Authorization", "").rpartition(" ")[2]
