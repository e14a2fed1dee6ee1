"""Reads Bluesky from the Jetstream, which sends every post of the network, and keeps the posts with a hashtag."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Collection
from http import HTTPStatus
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException
from websockets.frames import CloseCode

from streams import metrics
from streams.errors import Refused
from streams.retry.backoff import Backoff
from streams.settings import BlueskySettings
from streams.sources.base import Batch, Content, Source
from streams.sources.bluesky.jetstream import SOURCE, AccountRemoved, Position, StreamNotice, notice_of, position_of
from streams.sources.bluesky.jetstream_cursor import JetstreamCursor, Servers, read_cursor
from streams.sources.bluesky.jetstream_socket import MAX_FRAME_BYTES, Connect
from streams.sources.bluesky.posts import JetstreamParser
from streams.sources.bluesky.profiles import ProfileLabels
from streams.sources.http import BadResponse
from streams.sources.live import REAL_TIME, PostTimes, Timing, report_gap, update_lag
from streams.sources.tags import Tags

logger = logging.getLogger(__name__)

_REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
_MAX_RETRY_AFTER_SECONDS = 300.0
_PROGRESS_SECONDS = 1.0
_GAP_US = 60_000_000  # the network has many posts a second, so a minute without a frame is a gap
_US_PER_SECOND = 1_000_000
_AHEAD_US = 3_600 * _US_PER_SECOND
_FAILOVER_REWIND_SECONDS = 30.0  # servers receive a post at different times
_GATHER_SECONDS = 0.1
_GATHERED = 25  # authors that fit into one request
_GATHERED_BYTES = 2**20


class BlueskySource(Source):
    """Reads the live feed of one Jetstream server at a time; never ends.

    The cursor is the server time of a frame in microseconds, which every Jetstream understands. Servers of version 2
    also number their frames: the number is used with the server that it came from, the time with all others.
    """

    name = SOURCE

    def __init__(
        self,
        settings: BlueskySettings,
        tags: Collection[str],
        *,
        cursor: str | None = None,
        times: PostTimes | None = None,
        timing: Timing = REAL_TIME,
    ) -> None:
        """Prepare the source; it connects when it is read.

        Args:
            settings: Settings of the network.
            tags: Hashtags to keep; if there are none, every post with a hashtag is kept.
            cursor: Where to resume; None starts with new posts.

        Raises:
            SettingsError: `cursor` is not a Bluesky cursor.
        """
        self._settings = settings
        self._parser = JetstreamParser(Tags(tags), reposts=settings.reposts, times=times)
        self._position = None if cursor is None else read_cursor(cursor)
        self._servers = Servers(settings.servers)
        self._timing = timing
        self._backoff = Backoff(settings.max_backoff_seconds, timing.jitter)
        self._profiles = ProfileLabels(settings, self._on_account_hidden, timing) if settings.profiles else None
        self._pending: list[Content] = []
        """Contents of the next batch."""
        self._resumed_from: int | None = None
        self._seen_us = 0
        self._gap_reported = False
        """Whether the gap before the current connection was reported, so that each loss is reported once."""
        self._bytes = 0

    @property
    def progress(self) -> tuple[int, int | None]:
        return self._bytes, None

    def describe(self, cursor: str) -> str:
        return read_cursor(cursor).made_at.isoformat(timespec="seconds")

    async def batches(self) -> AsyncIterator[Batch]:
        if self.recorder is not None:
            self._profiles = None  # a recording contains frames only
        async with self._profiles or contextlib.nullcontext():
            while True:
                try:
                    async with await self._open() as socket:
                        logger.info("listening to %s", self._servers.current)
                        while True:
                            yield await self._next(socket)
                except InvalidStatus as error:
                    wait = self._on_http_error(error)
                except InvalidURI as error:
                    raise Refused(f"TAGPULSE_BLUESKY__URL: {error}") from None
                except StreamNotice as notice:
                    if "Cursor" in notice.name:
                        self._on_cursor_rejected(str(notice))
                    wait = self._wait_after(notice)
                except ConnectionClosed as error:
                    if error.sent is not None and error.sent.code == CloseCode.MESSAGE_TOO_BIG:
                        metrics.MALFORMED.labels(self.name).inc()
                        self._report_gap(f"a frame of more than {MAX_FRAME_BYTES} bytes prevents resuming")
                        self._position = None
                    elif error.rcvd is not None and "Cursor" in error.rcvd.reason:
                        self._on_cursor_rejected(error.rcvd.reason)
                    wait = self._wait_after(error)
                except (OSError, EOFError, WebSocketException) as error:  # TimeoutError is an OSError
                    wait = self._wait_after(error)
                metrics.RECONNECTS.labels(self.name).inc()
                if self._pending:
                    yield await self._batch()
                await self._timing.sleep(wait)

    async def _open(self) -> ClientConnection:
        try:
            return await self._connect()
        except ValueError as error:  # raised by urllib.parse and by the encoding of host names
            raise InvalidHandshake(f"the address cannot be used: {error}") from None

    def _connect(self) -> Connect:
        position, resume = self._position, None
        self._resumed_from = None
        if position is not None:
            resume = position.seq if position.host == self._servers.host else None
            if resume is None and position.time_us > self._future_us:
                self._report_gap("the cursor is in the future")
                self._position = None
            elif resume is None:
                # frames right at a cut are not always sent again from exactly their own cursor
                moved = self._servers.several and position.host != self._servers.host
                rewind = max(self._settings.rewind_seconds, _FAILOVER_REWIND_SECONDS if moved else 0)
                resume = max(0, position.time_us - int(rewind * _US_PER_SECOND))
                self._resumed_from = resume
        return Connect(self._servers.current, resume, reposts=self._settings.reposts)

    async def _next(self, socket: ClientConnection) -> Batch:
        """Return the contents of the next relevant frames, or from time to time just the new cursor."""
        silence = self._settings.silence_seconds
        until = self._timing.clock() + min(_PROGRESS_SECONDS, silence / 2)
        try:
            async with asyncio.timeout(silence):
                while not self._pending and self._timing.clock() < until:
                    self._read(await socket.recv(decode=False))
        except TimeoutError:
            raise TimeoutError(f"no frame within {silence:g} s") from None
        if self._profiles is not None and self._profiles.would_wait(self._pending):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GATHER_SECONDS):
                    until_bytes = self._bytes + _GATHERED_BYTES
                    while len(self._pending) < _GATHERED and self._bytes < until_bytes:
                        self._read(await socket.recv(decode=False))
        self._show_behind()
        return await self._batch()

    async def _batch(self) -> Batch:
        contents, self._pending = self._pending, []
        if self._profiles is not None:
            contents = await self._profiles.screen(contents)
        return Batch(contents, self._cursor())

    def _on_account_hidden(self, did: str) -> None:
        """Delete the posts of a hidden account that were passed on before its labels were known."""
        # by the clock of the feed, which also dates the edits
        at = self._timing.now() if self._position is None else self._position.made_at
        self._pending += self._parser.forget(AccountRemoved(did, at))

    def _cursor(self) -> str | None:
        return None if self._position is None else self._position.text

    def _read(self, frame: bytes) -> None:
        """Add the contents of a frame to the next batch.

        Raises:
            StreamNotice: The server ends the connection.
        """
        self._bytes += len(frame)
        if self.recorder is not None:
            self.recorder(self._servers.host, frame)
        if (notice := notice_of(frame)) is not None:
            self._handle_notice(notice)
        else:
            contents = self._parser.read(frame, self._servers.host, self._timing.now())
            self._backoff.reset()
            self._servers.works()
            self._advance(position_of(frame))
            self._pending += contents

    def _handle_notice(self, notice: StreamNotice) -> None:
        if notice.name == "OutdatedCursor":
            self._report_gap(str(notice))
        elif notice.name == "FutureCursor" or notice.is_error:
            raise notice
        else:
            logger.info("%s: %s", self._servers.host, notice)

    def _advance(self, position: Position) -> None:
        time_us = position.time_us
        if not time_us:
            return
        before, self._seen_us = self._seen_us, time_us
        if time_us > self._future_us and abs(time_us - before) > _AHEAD_US:
            return  # a single frame with a wrong clock; if all frames agree, our own clock may be wrong
        resumed, self._resumed_from = self._resumed_from, None
        # servers that no longer have the time of the cursor silently start with their oldest frame
        if resumed is not None and time_us - resumed > _GAP_US + self._rewound_us:
            self._report_gap(
                f"the first frame is from {JetstreamCursor(time_us).made_at.isoformat(timespec='seconds')}"
            )
        self._gap_reported = False
        newest = max(self._position.time_us if self._position else 0, time_us)
        self._position = JetstreamCursor(newest, position.seq, self._servers.host)

    @property
    def _future_us(self) -> int:
        """Earliest server time, in microseconds, that counts as being in the future."""
        return int(self._timing.now().timestamp() * _US_PER_SECOND) + _AHEAD_US

    @property
    def _rewound_us(self) -> int:
        return int(max(self._settings.rewind_seconds, _FAILOVER_REWIND_SECONDS) * _US_PER_SECOND)

    def _on_cursor_rejected(self, why: str) -> None:
        """Fall back from a rejected sequence number to the time, and from a rejected time to no cursor at all."""
        position = self._position
        if position is not None and position.seq is not None:
            if "Future" not in why:
                self._report_gap(f"the server rejected the cursor ({why})")
            self._position = JetstreamCursor(position.time_us)
        else:
            self._report_gap(f"the server rejected the cursor ({why})")
            self._position = None

    def _report_gap(self, why: str) -> None:
        if self._gap_reported:
            return
        self._gap_reported = True
        since = None if self._position is None else self._position.made_at
        self._pending.append(report_gap(SOURCE, self._servers.host, why, since=since, now=self._timing.now()))

    def _show_behind(self) -> None:
        if self._position is not None:
            update_lag(SOURCE, self._position.made_at, self._timing.now())

    def _on_http_error(self, error: InvalidStatus) -> float:
        """Return the seconds to wait after an HTTP response that was not a WebSocket.

        Raises:
            Refused: All servers refuse permanently.
        """
        status = error.response.status_code
        url = self._servers.current
        if status in _REFUSALS and self._servers.refuses():
            several = " and TAGPULSE_BLUESKY__URLS" if self._servers.several else ""
            raise Refused(f"{url} responded with HTTP {status}: check TAGPULSE_BLUESKY__URL{several}") from None
        if self._position is not None and b"Cursor" in (error.response.body or b""):
            self._on_cursor_rejected(f"HTTP {status}")
        requested = BadResponse(status, error.response.headers, b"").reset_seconds(self._timing.now())
        wait = self._wait_after(error)
        # the next server did not ask us to wait
        return wait if self._servers.several else max(wait, min(requested, _MAX_RETRY_AFTER_SECONDS))

    def _wait_after(self, error: Exception) -> float:
        wait = self._backoff.next()
        host = urlsplit(self._servers.current).netloc
        self._servers.fails()
        logger.warning("%s: %s: connecting to %s in %.1f s", host, str(error) or repr(error), self._servers.host, wait)
        return wait
