"""One request to a target, and what its answer means."""

from __future__ import annotations

import asyncio
import contextlib
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import Literal
from urllib.parse import unquote_plus, urlsplit

import aiohttp

from streams.text.safe_text import readable, without_secrets

Outcome = Literal["delivered", "refused", "failed"]

_TRY_AGAIN = frozenset((HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS))
_REPLY_BYTES = 2_000
_SECRET_LENGTH = 8  # of a part of an address: shorter ones are words
_DETAIL_LENGTH = 200
_MAX_WAIT_SECONDS = 3_600.0


@dataclass(frozen=True)
class Response:
    """What became of a request."""

    outcome: Outcome
    """delivered; refused: trying again cannot help; failed: it may."""
    detail: str
    """The status and the first words of the reply, or why there was none."""
    retry_after: float | None = None
    """Seconds to wait at least, where the target says so."""


class Poster:
    """Sends JSON; a target gets `timeout` seconds to answer. Proxies of the environment (HTTPS_PROXY) are used."""

    def __init__(self, timeout: float, clock: Callable[[], float] = time.time) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """Raises nothing: whatever goes wrong is the answer. A redirect is not followed, it could lead anywhere."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                trust_env=True,
                headers={
                    "User-Agent": f"tagpulse/{version('tagpulse')}",
                    "Content-Type": "application/json",
                    "Accept-Encoding": "identity",
                },
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # a reply of a few bytes could become gigabytes
            )
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                reply = await response.content.read(_REPLY_BYTES)
                said = f"{response.reason or ''}: {reply.decode(errors='replace')}"
                return self._answer(response, without_secrets(said, *_secrets(url, headers)))
        except TimeoutError:
            return Response("failed", f"no answer within {self._timeout.total:g} s")
        except aiohttp.InvalidURL:
            return Response("refused", "the address cannot be used")
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
            # of an error the kind and the place, never the whole address: it may be a secret
            return Response("failed", readable(f"{type(error).__name__} at {place(url)}", _DETAIL_LENGTH))
        except ValueError:  # of the encoding of host names
            return Response("refused", "the address cannot be used")

    async def close(self) -> None:
        """Gives the connections back."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _answer(self, response: aiohttp.ClientResponse, said: str) -> Response:
        detail = readable(f"{response.status} {said}", _DETAIL_LENGTH).rstrip(": ")
        if response.ok and response.status < HTTPStatus.MULTIPLE_CHOICES:
            return Response("delivered", detail)
        if response.status in _TRY_AGAIN or response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Response("failed", detail, wait_seconds(response.headers.get("Retry-After"), self._clock()))
        return Response("refused", detail)


def wait_seconds(retry_after: str | None, now: float) -> float | None:
    """What a `Retry-After` asks for, in seconds or as a date: an hour at most; None when it says nothing sensible."""
    if not retry_after:
        return None
    if retry_after.isascii() and retry_after.isdecimal():
        return min(float(retry_after[:9]), _MAX_WAIT_SECONDS)
    try:
        seconds = parsedate_to_datetime(retry_after).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), _MAX_WAIT_SECONDS)


def _secrets(url: str, headers: Mapping[str, str]) -> list[str]:
    """What a server may repeat of a request and nobody else may read, the longest first."""
    parts = urlsplit(url)
    login = headers.get("Authorization", "").rpartition(" ")[2]
    with contextlib.suppress(ValueError):
        login += "\n" + b64decode(login, validate=True).decode().partition(":")[2]
    words = [*parts.path.split("/"), *(pair.partition("=")[2] for pair in parts.query.split("&")), parts.password or ""]
    found = [url, parts.path, f"{parts.path}?{parts.query}", *login.split("\n")]
    found += [word for word in words if len(word) >= _SECRET_LENGTH]
    secrets = {*found, *map(unquote_plus, found)}
    return sorted((each for each in secrets if len(each) > 1), key=len, reverse=True)  # the path may be a bare slash


def place(url: str) -> str:
    """Host and port of an address: what may be told of it."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    return f"{host}:{parts.port}" if parts.port else str(host)
