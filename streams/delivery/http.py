"""Sends a request to a target and interprets the response."""

from __future__ import annotations

import asyncio
import contextlib
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from typing import Literal
from urllib.parse import unquote_plus, urlsplit

import aiohttp

from streams.retry.retry_after import seconds_asked
from streams.text.safe_text import readable, without_secrets

Outcome = Literal["delivered", "refused", "failed"]

_TRY_AGAIN = frozenset((HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS))
_REPLY_BYTES = 2_000
_SECRET_LENGTH = 8  # minimum length of a URL segment treated as a secret: shorter ones are ordinary words
_DETAIL_LENGTH = 200
_MAX_WAIT_SECONDS = 3_600.0


@dataclass(frozen=True)
class Response:
    """The outcome of a request."""

    outcome: Outcome
    """`delivered`, `refused` (retrying cannot help) or `failed` (retrying may help)."""
    detail: str
    """The status and the start of the response body, or why there was no response."""
    retry_after: float | None = None
    """Minimum wait in seconds, if the target asked for one."""


class Poster:
    """Posts JSON with a timeout in seconds. Proxies from the environment (HTTPS_PROXY) are used."""

    def __init__(self, timeout: float, clock: Callable[[], float] = time.time) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """Post `body` and return the outcome; errors are not raised but part of it. Redirects are not followed."""
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
                auto_decompress=False,  # a few compressed bytes could expand to gigabytes
            )
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                body_start = await response.content.read(_REPLY_BYTES)
                text = f"{response.reason or ''}: {body_start.decode(errors='replace')}"
                return self._answer(response, without_secrets(text, *_secrets(url, headers)))
        except TimeoutError:
            return Response("failed", f"no answer within {self._timeout.total:g} s")
        except aiohttp.InvalidURL:
            return Response("refused", "the address cannot be used")
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
            # only the error type and the host, never the whole URL: it may contain a secret
            return Response("failed", readable(f"{type(error).__name__} at {place(url)}", _DETAIL_LENGTH))
        except ValueError:  # from encoding the host name
            return Response("refused", "the address cannot be used")

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _answer(self, response: aiohttp.ClientResponse, text: str) -> Response:
        detail = readable(f"{response.status} {text}", _DETAIL_LENGTH).rstrip(": ")
        if response.ok and response.status < HTTPStatus.MULTIPLE_CHOICES:
            return Response("delivered", detail)
        if response.status in _TRY_AGAIN or response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            asked = seconds_asked(response.headers.get("Retry-After"), self._clock(), _MAX_WAIT_SECONDS)
            return Response("failed", detail, asked)
        return Response("refused", detail)


def _secrets(url: str, headers: Mapping[str, str]) -> list[str]:
    """Return the secrets of a request that a server could echo in its response, longest first."""
    parts = urlsplit(url)
    login = headers.get("Authorization", "").rpartition(" ")[2]
    with contextlib.suppress(ValueError):
        login += "\n" + b64decode(login, validate=True).decode().partition(":")[2]
    words = [*parts.path.split("/"), *(pair.partition("=")[2] for pair in parts.query.split("&")), parts.password or ""]
    found = [url, parts.path, f"{parts.path}?{parts.query}", *login.split("\n")]
    found += [word for word in words if len(word) >= _SECRET_LENGTH]
    secrets = {*found, *map(unquote_plus, found)}
    return sorted((each for each in secrets if len(each) > 1), key=len, reverse=True)  # the path may be just a slash


def place(url: str) -> str:
    """Return the host and port of a URL: the part that is safe to show."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    return f"{host}:{parts.port}" if parts.port else str(host)
