"""Bluesky, by the Jetstream: every post of the network passes by, and those with a hashtag are kept."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException
from websockets.frames import CloseCode

from streams import metrics
from streams.backoff import Backoff
from streams.contracts import Deletion, Post, utc_now
from streams.errors import Refused, SettingsError
from streams.settings import BlueskySettings
from streams.sources.base import Batch, Source, Unreadable
from streams.sources.jetstream import COLLECTION, SOURCE, ServerError, Tags, parse, time_of

logger = logging.getLogger(__name__)

_REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
_MAX_FRAME_BYTES = 16 * 2**20
_MAX_RETRY_AFTER_SECONDS = 300.0
_CLOSE_SECONDS = 1.0
_OPEN_SECONDS = 20.0
_PROGRESS_SECONDS = 1.0
_GAP_US = 60_000_000  # the network posts many times a second: a minute without a frame was cut out
_RECENT = 50_000
_US_PER_SECOND = 1_000_000


class BlueskySource(Source):
    """Listens for ever.

    The cursor is the server's time of a frame in microseconds, which every Jetstream understands; the sequence numbers
    of newer servers are good for one server alone, and cannot be set back by seconds.
    """

    name = SOURCE

    def __init__(
        self,
        settings: BlueskySettings,
        tags: Collection[str],
        *,
        cursor: str | None = None,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`tags`: the hashtags to keep, none: every post with one. Raises SettingsError when the cursor is none."""
        if cursor is not None and not cursor.isdigit():
            raise SettingsError(
                f"produce.state_path: {cursor!r} is no cursor of {settings.url}: remove it to start anew"
            )
        self._settings = settings
        self._tags = Tags(tags)
        self._position = None if cursor is None else int(cursor)
        self._now = now
        self._clock = clock
        self._sleep = sleep
        self._backoff = Backoff(settings.max_backoff_seconds, jitter)
        self._recent: dict[str, None] = {}
        self._resumed_from: int | None = None
        self._bytes = 0

    @property
    def progress(self) -> tuple[int, int | None]:
        return self._bytes, None

    def describe(self, cursor: str) -> str:
        return datetime.fromtimestamp(int(cursor) / _US_PER_SECOND, UTC).isoformat(timespec="seconds")

    async def batches(self) -> AsyncIterator[Batch]:
        while True:
            try:
                async with self._connect() as socket:
                    logger.info("listening to %s", self._settings.url)
                    while True:
                        yield await self._next(socket)
            except InvalidStatus as error:
                wait = self._judge(error)
            except InvalidURI as error:
                raise Refused(f"TAGPULSE_BLUESKY__URL: {error}") from None
            except ServerError as error:
                if "Cursor" in error.name:
                    self._gap(f"the server refuses the cursor ({error})")
                wait = self._wait_after(error)
            except ConnectionClosed as error:
                if error.sent is not None and error.sent.code == CloseCode.MESSAGE_TOO_BIG:
                    metrics.MALFORMED.labels(self.name).inc()
                    self._gap(f"a frame above {_MAX_FRAME_BYTES} bytes cannot be passed")
                elif error.rcvd is not None and "Cursor" in error.rcvd.reason:
                    self._gap(f"the server refuses the cursor ({error.rcvd.reason})")
                wait = self._wait_after(error)
            except (OSError, EOFError, WebSocketException) as error:  # TimeoutError is an OSError
                wait = self._wait_after(error)
            metrics.RECONNECTS.labels(self.name).inc()
            await self._sleep(wait)

    def _connect(self) -> connect:
        parts = urlsplit(self._settings.url)
        query = [*parse_qsl(parts.query), ("wantedCollections", COLLECTION)]
        self._resumed_from = None
        if self._position is not None:
            # what stood right at a cut is not always sent again from its own cursor on
            rewind = int(self._settings.rewind_seconds * _US_PER_SECOND)
            self._resumed_from = max(0, self._position - rewind)
            query.append(("cursor", str(self._resumed_from)))
        return connect(
            urlunsplit(parts._replace(query=urlencode(query))),
            open_timeout=_OPEN_SECONDS,
            close_timeout=_CLOSE_SECONDS,
            max_size=_MAX_FRAME_BYTES,
            # while Kafka is away nothing is read, so no answer to a ping would be seen; silence is noticed in `_next`
            ping_interval=None,
        )

    async def _next(self, socket: ClientConnection) -> Batch:
        """What the next frame of interest holds, or now and then only how far the feed has come."""
        silence = self._settings.silence_seconds
        until = self._clock() + min(_PROGRESS_SECONDS, silence / 2)
        filtered = 0
        try:
            async with asyncio.timeout(silence):
                while True:
                    frame = await socket.recv(decode=False)
                    content = self._read(frame)
                    if content is not None:
                        return Batch([content], self._cursor())
                    filtered += 1
                    if self._clock() >= until:
                        return Batch([], self._cursor())
        except TimeoutError:
            raise TimeoutError(f"no frame within {silence:g} s") from None
        finally:
            metrics.FILTERED.labels(self.name).inc(filtered)

    def _cursor(self) -> str | None:
        return None if self._position is None else str(self._position)

    def _read(self, frame: bytes) -> Post | Deletion | Unreadable | None:
        self._bytes += len(frame)
        content, signature = parse(frame, self._tags, self._now)
        self._backoff.reset()
        self._go_on(time_of(frame))
        if signature:
            if signature in self._recent:
                return None
            self._recent[signature] = None
            if len(self._recent) > _RECENT:
                del self._recent[next(iter(self._recent))]
        return content

    def _go_on(self, time_us: int) -> None:
        if not time_us:
            return
        resumed, self._resumed_from = self._resumed_from, None
        # servers that have forgotten the cursor's time begin with the oldest they know, and do not say so
        if resumed is not None and time_us - resumed > _GAP_US + self._settings.rewind_seconds * _US_PER_SECOND:
            self._gap(f"the first frame is of {self.describe(str(time_us))}")
        self._position = max(self._position or 0, time_us)

    def _gap(self, why: str) -> None:
        metrics.GAPS.labels(self.name).inc()
        since = "unknown" if self._position is None else self.describe(str(self._position))
        logger.error("gap in the feed since %s: %s; what was posted meanwhile is missing", since, why)
        self._position = None

    def _judge(self, error: InvalidStatus) -> float:
        """Seconds to wait after an HTTP answer that was no WebSocket. Raises Refused."""
        status = error.response.status_code
        if status in _REFUSALS:
            raise Refused(f"{self._settings.url} answers {status}: check TAGPULSE_BLUESKY__URL") from None
        if self._position is not None and b"Cursor" in (error.response.body or b""):
            self._gap(f"the server refuses the cursor (HTTP {status})")
        wait = self._wait_after(error)
        asked = error.response.headers.get("Retry-After", "")
        return max(wait, min(float(asked), _MAX_RETRY_AFTER_SECONDS)) if asked.isdigit() else wait

    def _wait_after(self, error: Exception) -> float:
        wait = self._backoff.next()
        logger.warning("%s: %s: connecting again in %.1f s", self._settings.url, str(error) or repr(error), wait)
        return wait
