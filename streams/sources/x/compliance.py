"""X's compliance streams: which posts are deleted and which accounts are gone, in the whole network."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

from streams import metrics
from streams.errors import Refused
from streams.settings import XSettings
from streams.sources import http
from streams.sources.merge import Put
from streams.sources.recently_seen import RecentlySeen
from streams.sources.wire import TooLong
from streams.sources.x.coverage import StreamCoverage, StreamStep
from streams.sources.x.reconnect import ReconnectPauses
from streams.sources.x.tweet import SOURCE, StreamError, ended

logger = logging.getLogger(__name__)

_BACKFILL_MINUTES = 5
_TOLD_BYTES = 2**16


class Stream(NamedTuple):
    """A quarter of the posts, or of the accounts."""

    path: str
    partition: int

    @property
    def name(self) -> str:
        return f"{self.path}?partition={self.partition}"


STREAMS = tuple(
    Stream(path, partition)
    for path in ("/2/tweets/compliance/stream", "/2/users/compliance/stream")
    for partition in (1, 2, 3, 4)
)


class Compliance:
    """Listens to all of them."""

    def __init__(
        self,
        settings: XSettings,
        headers: dict[str, str],
        whole_until: datetime,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
        jitter: Callable[[], float],
    ) -> None:
        """`whole_until`: up to then deletions were heard."""
        self._base = settings.url
        self._host = urlsplit(settings.url).netloc
        self._headers = headers
        self._silence_seconds = settings.silence_seconds
        self._whole_until = whole_until
        self._now = now
        self._sleep = sleep
        self._jitter = jitter
        self._told = RecentlySeen[datetime, None](_TOLD_BYTES)

    async def run(self, client: http.Client, stream: Stream, put: Put[StreamStep]) -> None:
        """Listens to one for ever. Raises Refused."""
        hearing = StreamCoverage("deletions", _BACKFILL_MINUTES, self._whole_until)
        pauses = ReconnectPauses(self._jitter)
        while True:
            try:
                await self._listen(client, stream, hearing, pauses, put)
            except (StreamError, http.BadAnswer, *http.TROUBLE) as error:
                wait = self._judge(error, pauses, stream)
                logger.warning(
                    "%s%s: %s: connecting again in %.1f s", self._host, stream.name, str(error) or repr(error), wait
                )
                metrics.RECONNECTS.labels(SOURCE).inc()
                await self._sleep(wait)

    async def _listen(
        self,
        client: http.Client,
        stream: Stream,
        hearing: StreamCoverage,
        pauses: ReconnectPauses,
        put: Put[StreamStep],
    ) -> None:
        params = {"partition": str(stream.partition)} | hearing.backfill(self._now())
        url, silence = self._base + stream.path, self._silence_seconds
        async with client.listen(url, params=params, headers=self._headers, silence_seconds=silence) as lines:
            hearing.opened(self._now())
            async for line in lines:
                now = self._now()
                if not isinstance(line, TooLong) and (stop := ended(line)) is not None:
                    raise stop
                missed = hearing.heard(line, now)
                if missed is not None and missed.since not in self._told:  # once for all that were cut off together
                    self._told.add(missed.since, None)
                    await put(StreamStep(stream.name, content=missed.gap(self._host, now)))
                pauses.reset()
                await put(StreamStep(stream.name, line or None, whole_until=hearing.whole_until))

    def _judge(self, error: Exception, pauses: ReconnectPauses, stream: Stream) -> float:
        """Seconds to wait. Raises Refused."""
        if isinstance(error, StreamError):
            return pauses.after_limit(0) if error.is_crowd else pauses.after_http_error()
        if not isinstance(error, http.BadAnswer):
            return pauses.after_network_error()
        if error.status in http.REFUSALS:
            advice = "check TAGPULSE_X__COMPLIANCE: the plan may have no compliance streams"
            raise Refused(f"{self._base}{stream.path}: {error}: {advice}") from None
        reset = error.reset_seconds(self._now())
        if error.status == HTTPStatus.TOO_MANY_REQUESTS:
            return pauses.after_limit(reset)
        return max(pauses.after_http_error(), reset)
