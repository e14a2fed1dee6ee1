"""Reads the filtered stream of X's API v2, with rules for the campaign's hashtags."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from datetime import datetime
from functools import partial
from http import HTTPStatus
from urllib.parse import urlsplit

import msgspec

from streams import metrics
from streams.contracts import Post, normalise_hashtags
from streams.errors import Refused, SettingsError
from streams.settings import XSettings
from streams.sources import http
from streams.sources.base import Batch, Content, Source, Unreadable
from streams.sources.live import REAL_TIME, PostTimes, Timing, report_gap, update_lag
from streams.sources.merge import Put, merge
from streams.sources.wire import TooLong
from streams.sources.x.compliance import STREAMS, Compliance
from streams.sources.x.coverage import StreamCoverage, StreamStep
from streams.sources.x.quota import Quota
from streams.sources.x.reconnect import ReconnectBackoff
from streams.sources.x.rules import synchronise, wanted_rules
from streams.sources.x.tweet import SOURCE, StreamError, XParser, ended

logger = logging.getLogger(__name__)

_STREAM = "/2/tweets/search/stream"
_QUOTA_SECONDS = 900.0
_FIELDS = {
    "tweet.fields": "attachments,author_id,created_at,edit_history_tweet_ids,entities,lang,note_tweet,public_metrics,referenced_tweets",
    "expansions": "attachments.media_keys,author_id,referenced_tweets.id",
    "media.fields": "type",
    "user.fields": "username",
}
_CAPPED = (b"UsageCap", b"usage-cap", b"CreditsDepleted")


class _Cursor(msgspec.Struct, omit_defaults=True):
    at: datetime
    month: str = ""
    read: int = 0
    deletions_at: datetime | None = None


_CURSOR: msgspec.json.Decoder[_Cursor] = msgspec.json.Decoder(_Cursor)


class XSource(Source):
    """Reads the filtered stream; never ends.

    The stream has no cursor of its own: after a cut, missed posts are requested with `backfill_minutes` if the plan
    includes it, and are a gap otherwise. The saved cursor holds the times up to which posts and deletions were received
    completely, and the number of posts read in the month.
    """

    name = SOURCE

    def __init__(
        self,
        settings: XSettings,
        tags: Collection[str],
        *,
        cursor: str | None = None,
        times: PostTimes | None = None,
        timing: Timing = REAL_TIME,
    ) -> None:
        """Prepare the source; it connects when it is read.

        Args:
            settings: Settings of the network.
            tags: Hashtags to read; at least one.
            cursor: Where to resume; None starts with new posts.

        Raises:
            SettingsError: The token is missing, there is no hashtag, or `cursor` is not an X cursor.
        """
        if settings.token is None:
            raise SettingsError("TAGPULSE_X__TOKEN is missing: X requires a bearer token")
        tags = normalise_hashtags(list(tags))
        if not tags:
            raise SettingsError("X requires a hashtag: name at least one in the campaign file, or with --tag")
        self._settings = settings
        self._host = urlsplit(settings.url).netloc
        self._headers = {"Authorization": f"Bearer {settings.token.get_secret_value()}"}
        self._tags = tags
        self._parser = XParser(settings.rule_tag, times=times)
        self._quota = Quota(settings.monthly_posts, timing)
        self._timing = timing
        saved = _Cursor(timing.now()) if cursor is None else _read_cursor(cursor)
        self._quota.restore(saved.month, saved.read)
        self._coverage = StreamCoverage("posts", settings.backfill_minutes, None if cursor is None else saved.at)
        self._compliance: Compliance | None = None
        self._returned_until: dict[str, datetime] = {}
        """Time up to which each stream was received and its contents returned in batches."""
        if settings.compliance:
            since = saved.deletions_at or saved.at
            self._returned_until = dict.fromkeys((stream.name for stream in STREAMS), since)
            self._compliance = Compliance(settings, self._headers, since, timing)
        self._pauses = ReconnectBackoff(timing.jitter)
        self._line_received = asyncio.Event()
        self._limit_reported = False
        self._bytes = 0

    @property
    def progress(self) -> tuple[int, int | None]:
        return self._bytes, None

    def describe(self, cursor: str) -> str:
        return _read_cursor(cursor).at.isoformat(timespec="seconds")

    async def batches(self) -> AsyncIterator[Batch]:
        async with http.Client(self._settings.url) as client:
            readers = [partial(self._run, client), partial(self._watch_quota, client)]
            if self._compliance is not None:
                readers += [partial(self._compliance.run, client, stream) for stream in STREAMS]
            steps = merge(readers)
            try:
                async for step in steps:
                    yield self._handle_step(step)
            finally:
                await steps.aclose()  # type: ignore[attr-defined]

    def _handle_step(self, step: StreamStep) -> Batch:
        now = self._timing.now()
        contents: list[Content] = [] if step.content is None else [step.content]
        if step.line is not None:
            contents += self._read(step.line, now)
        for content in contents:
            if isinstance(content, Post):
                update_lag(SOURCE, content.edited_at or content.created_at, now)
        if step.whole_until is not None:
            self._returned_until[step.stream] = step.whole_until
        at = self._returned_until.get(_STREAM)
        if at is None:
            return Batch(contents, None)
        deletions_at = min((until for stream, until in self._returned_until.items() if stream != _STREAM), default=None)
        cursor = msgspec.json.encode(_Cursor(at, *self._quota.state, deletions_at)).decode()
        return Batch(contents, cursor)

    def _read(self, line: bytes | TooLong, now: datetime) -> list[Content]:
        frame = line.begin if isinstance(line, TooLong) else line
        self._bytes += len(frame)
        if self.recorder is not None:
            self.recorder(self._host, frame)
        if isinstance(line, TooLong):
            error = f"a line of {line.size} bytes, cut to {len(frame)}"
            return [Unreadable(self._host, 0, frame, "oversize", error)]
        return self._parser.read(frame, self._host, now)

    async def _run(self, client: http.Client, put: Put[StreamStep]) -> None:
        while True:
            try:
                await self._wait_for_quota(client, put)
                rules = wanted_rules(self._tags, self._settings.rule_characters)
                await synchronise(client, self._settings.url, self._headers, rules, self._settings.rule_tag)
                await self._listen(client, put)
                wait = 0.0
            except StreamError as error:
                if error.is_cap:
                    self._quota.refuse(str(error))
                wait = self._pauses.after_limit(0) if error.is_crowd else self._pauses.after_http_error()
                self._log_retry(error, wait)
            except http.BadResponse as error:
                wait = self._on_http_error(error)
            except http.TRANSIENT_ERRORS as error:
                wait = self._pauses.after_network_error()
                self._log_retry(error, wait)
            metrics.RECONNECTS.labels(SOURCE).inc()
            await self._timing.sleep(wait)

    async def _wait_for_quota(self, client: http.Client, put: Put[StreamStep]) -> None:
        """Return once posts may be read."""
        await self._quota.ask(client, self._settings.url, self._headers)
        while (why := self._quota.exhausted) is not None:
            if not self._limit_reported:
                self._limit_reported = True
                now = self._timing.now()
                gap = report_gap(SOURCE, self._host, why, since=self._coverage.whole_until, now=now)
                self._coverage.whole_until = None  # the gap lasts until something is received again
                await put(StreamStep(_STREAM, content=gap, whole_until=now))
                logger.error("%s: no posts are read until next month, or until X allows more", why)
            await self._timing.sleep(_QUOTA_SECONDS)
            await self._quota.ask(client, self._settings.url, self._headers)

    async def _watch_quota(self, client: http.Client, put: Put[StreamStep]) -> None:
        """Ask for the usage in parallel with the open stream: a slow response must not delay posts."""
        while await self._line_received.wait():
            self._line_received.clear()
            await self._quota.ask(client, self._settings.url, self._headers)

    async def _listen(self, client: http.Client, put: Put[StreamStep]) -> None:
        """Read the stream, and return when the posts of this month are used up."""
        params = _FIELDS | self._coverage.backfill(self._timing.now())
        url, silence = self._settings.url + _STREAM, self._settings.silence_seconds
        async with client.listen(url, params=params, headers=self._headers, silence_seconds=silence) as lines:
            logger.info("listening to %s on %s", " ".join(f"#{tag}" for tag in self._tags), self._host)
            self._coverage.opened(self._timing.now())
            async for line in lines:
                now = self._timing.now()
                if not isinstance(line, TooLong) and (stream_error := ended(line)) is not None:
                    raise stream_error
                if (missed := self._coverage.heard(line, now)) is not None:
                    await put(StreamStep(_STREAM, content=missed.gap(self._host, now)))
                await put(StreamStep(_STREAM, line or None, whole_until=self._coverage.whole_until))
                if line:
                    self._quota.count()
                self._limit_reported = False
                self._line_received.set()
                self._pauses.reset()
                if self._quota.exhausted is not None:
                    return

    def _on_http_error(self, error: http.BadResponse) -> float:
        """Return the seconds to wait after an error status.

        Raises:
            Refused: X refuses permanently.
        """
        capped = error.status == HTTPStatus.PAYMENT_REQUIRED or any(mark in error.body for mark in _CAPPED)
        if error.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.PAYMENT_REQUIRED) or capped:
            if capped:
                self._quota.refuse(str(error))
            wait = self._pauses.after_limit(error.reset_seconds(self._timing.now()))
            self._log_retry(error, wait)
            return wait
        advice = (
            {
                HTTPStatus.BAD_REQUEST: "check TAGPULSE_X__BACKFILL_MINUTES, TAGPULSE_X__RULE_CHARACTERS and the hashtags",
                HTTPStatus.UNAUTHORIZED: "check TAGPULSE_X__TOKEN",
                HTTPStatus.FORBIDDEN: "check TAGPULSE_X__TOKEN, and whether its plan includes the filtered stream",
                HTTPStatus.NOT_FOUND: "check TAGPULSE_X__URL",
            }.get(HTTPStatus(error.status))
            if error.status in list(HTTPStatus)
            else None
        )
        if advice is not None:
            raise Refused(f"{self._settings.url}: {error}: {advice}") from None
        wait = max(self._pauses.after_http_error(), error.reset_seconds(self._timing.now()))
        self._log_retry(error, wait)
        return wait

    def _log_retry(self, error: Exception, wait: float) -> None:
        logger.warning("%s: %s: reconnecting in %.1f s", self._host, str(error) or repr(error), wait)


def _read_cursor(cursor: str) -> _Cursor:
    try:
        saved = _CURSOR.decode(cursor)
    except (msgspec.MsgspecError, RecursionError):
        saved = None
    if saved is None or saved.at.tzinfo is None:
        raise SettingsError(
            f"TAGPULSE_PRODUCE__STATE_PATH: the saved cursor {cursor[:100]!r} is not an X cursor: "
            "delete its file to start without it"
        )
    return saved
