"""Reads X's compliance streams, which report deleted posts and removed accounts of the whole network."""

from __future__ import annotations

import logging
from datetime import datetime
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

from streams import metrics
from streams.errors import Refused
from streams.settings import XSettings
from streams.sources import http
from streams.sources.live import Timing
from streams.sources.merge import Put
from streams.sources.recently_seen import RecentlySeen
from streams.sources.wire import TooLong
from streams.sources.x.coverage import StreamCoverage, StreamStep
from streams.sources.x.reconnect import ReconnectBackoff
from streams.sources.x.tweet import SOURCE, StreamError, ended

logger = logging.getLogger(__name__)

_BACKFILL_MINUTES = 5
_REPORTED_BYTES = 2**16


class Stream(NamedTuple):
    """One of the four partitions of the posts, or of the accounts."""

    path: str
    partition: int

    @property
    def name(self) -> str:
        """Path and partition, for the log and the cursor."""
        return f"{self.path}?partition={self.partition}"


STREAMS = tuple(
    Stream(path, partition)
    for path in ("/2/tweets/compliance/stream", "/2/users/compliance/stream")
    for partition in (1, 2, 3, 4)
)


class Compliance:
    """Reads the compliance streams."""

    def __init__(
        self,
        settings: XSettings,
        headers: dict[str, str],
        whole_until: datetime,
        timing: Timing,
    ) -> None:
        """Prepare the streams; each connects in `run`.

        Args:
            settings: Settings of the network.
            headers: Headers of every request, with the token.
            whole_until: Time up to which an earlier run has received deletions.
        """
        self._base = settings.url
        self._host = urlsplit(settings.url).netloc
        self._headers = headers
        self._silence_seconds = settings.silence_seconds
        self._whole_until = whole_until
        self._timing = timing
        self._reported = RecentlySeen[datetime, None](_REPORTED_BYTES)

    async def run(self, client: http.Client, stream: Stream, put: Put[StreamStep]) -> None:
        """Read one stream, and reconnect after errors; never returns.

        Raises:
            Refused: X refuses the stream permanently.
        """
        coverage = StreamCoverage("deletions", _BACKFILL_MINUTES, self._whole_until)
        pauses = ReconnectBackoff(self._timing.jitter)
        while True:
            try:
                await self._listen(client, stream, coverage, pauses, put)
            except (StreamError, http.BadResponse, *http.TRANSIENT_ERRORS) as error:
                wait = self._on_error(error, pauses, stream)
                logger.warning(
                    "%s%s: %s: reconnecting in %.1f s", self._host, stream.name, str(error) or repr(error), wait
                )
                metrics.RECONNECTS.labels(SOURCE).inc()
                await self._timing.sleep(wait)

    async def _listen(
        self,
        client: http.Client,
        stream: Stream,
        coverage: StreamCoverage,
        pauses: ReconnectBackoff,
        put: Put[StreamStep],
    ) -> None:
        params = {"partition": str(stream.partition)} | coverage.backfill(self._timing.now())
        url, silence = self._base + stream.path, self._silence_seconds
        async with client.listen(url, params=params, headers=self._headers, silence_seconds=silence) as lines:
            coverage.opened(self._timing.now())
            async for line in lines:
                now = self._timing.now()
                if not isinstance(line, TooLong) and (stream_error := ended(line)) is not None:
                    raise stream_error
                missed = coverage.heard(line, now)
                # report one gap for all streams that were cut together
                if missed is not None and missed.since not in self._reported:
                    self._reported.add(missed.since, None)
                    await put(StreamStep(stream.name, content=missed.gap(self._host, now)))
                pauses.reset()
                await put(StreamStep(stream.name, line or None, whole_until=coverage.whole_until))

    def _on_error(self, error: Exception, pauses: ReconnectBackoff, stream: Stream) -> float:
        """Return the seconds to wait after an error.

        Raises:
            Refused: X refuses the stream permanently.
        """
        if isinstance(error, StreamError):
            return pauses.after_limit(0) if error.is_crowd else pauses.after_http_error()
        if not isinstance(error, http.BadResponse):
            return pauses.after_network_error()
        if error.status in http.REFUSALS:
            advice = "check TAGPULSE_X__COMPLIANCE: the plan may not include the compliance streams"
            raise Refused(f"{self._base}{stream.path}: {error}: {advice}") from None
        reset = error.reset_seconds(self._timing.now())
        if error.status == HTTPStatus.TOO_MANY_REQUESTS:
            return pauses.after_limit(reset)
        return max(pauses.after_http_error(), reset)
