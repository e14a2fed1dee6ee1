"""X: the filtered stream of its API v2, with rules for the campaign's hashtags."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp
import msgspec

from streams import metrics
from streams.contracts import Post, normalise_hashtags, utc_now
from streams.errors import Refused, SettingsError
from streams.settings import XSettings
from streams.sources import http
from streams.sources.base import Batch, Content, Source, Unreadable
from streams.sources.live import report_gap, show_behind
from streams.sources.merged import Put, merged
from streams.sources.wire import TooLong
from streams.sources.x_pauses import Pauses
from streams.sources.x_quota import Quota
from streams.sources.x_rules import synchronise, wanted_rules
from streams.sources.x_tweet import SOURCE, StreamError, XParser, ended

logger = logging.getLogger(__name__)

_PARTITIONS = (1, 2, 3, 4)
_COMPLIANCE_BACKFILL = timedelta(minutes=5)
_QUOTA_SECONDS = 900.0
_FIELDS = {
    "tweet.fields": "attachments,author_id,created_at,edit_history_tweet_ids,entities,lang,note_tweet,public_metrics,referenced_tweets",
    "expansions": "attachments.media_keys,author_id,referenced_tweets.id",
    "media.fields": "type",
    "user.fields": "username",
}
_CAPPED = (b"UsageCap", b"usage-cap", b"CreditsDepleted")


class _Cursor(msgspec.Struct):
    at: datetime
    month: str = ""
    read: int = 0


class _Step(NamedTuple):
    """A line of a stream, or a finished content; neither: the feed is alive."""

    frame: bytes | None = None
    content: Content | None = None
    at: datetime | None = None
    """Up to here the feed is whole, or its gap reported."""


_CURSOR: msgspec.json.Decoder[_Cursor] = msgspec.json.Decoder(_Cursor)


class XSource(Source):
    """Listens for ever.

    The stream has no cursor: a cut is filled by `backfill_minutes` where the plan has it, and a gap otherwise. What is
    saved is the time up to which the feed was whole, and how many posts were read in the month.
    """

    name = SOURCE

    def __init__(
        self,
        settings: XSettings,
        tags: Collection[str],
        *,
        cursor: str | None = None,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Raises SettingsError when the token or a hashtag is missing, or the cursor is none."""
        if settings.token is None:
            raise SettingsError("TAGPULSE_X__TOKEN is missing: X lets nobody listen without one")
        tags = normalise_hashtags(list(tags))
        if not tags:
            raise SettingsError("X streams hashtags: name some in the campaign file, or with --tag")
        self._settings = settings
        self._host = urlsplit(settings.url).netloc
        self._headers = {"Authorization": f"Bearer {settings.token.get_secret_value()}"}
        self._tags = tags
        self._parser = XParser(settings.rule_tag)
        self._quota = Quota(settings.monthly_posts, clock, now)
        self._whole_until: datetime | None = None
        self._given_until: datetime | None = None
        """The same, without what is still on its way to the reader of the batches."""
        if cursor is not None:
            saved = _read_cursor(cursor)
            self._whole_until = saved.at
            self._quota.restore(saved.month, saved.read)
        self._now = now
        self._sleep = sleep
        self._jitter = jitter
        self._pauses = Pauses(jitter)
        self._bytes = 0

    @property
    def progress(self) -> tuple[int, int | None]:
        return self._bytes, None

    def describe(self, cursor: str) -> str:
        return _read_cursor(cursor).at.isoformat(timespec="seconds")

    async def batches(self) -> AsyncIterator[Batch]:
        async with http.open_session() as session:
            readers = [partial(self._run, session)]
            if self._settings.compliance:
                readers += [partial(self._run_compliance, session, partition) for partition in _PARTITIONS]
            steps = merged(readers)
            try:
                async for step in steps:
                    yield self._take(step)
            finally:
                await steps.aclose()  # type: ignore[attr-defined]

    def _take(self, step: _Step) -> Batch:
        now = self._now()
        contents: list[Content] = [] if step.content is None else [step.content]
        if step.frame is not None:
            self._bytes += len(step.frame)
            if self.tape is not None:
                self.tape(self._host, step.frame)
            contents += self._parser.read(step.frame, self._host, now)
        for content in contents:
            if isinstance(content, Post):
                show_behind(SOURCE, content.edited_at or content.created_at, now)
        self._given_until = step.at or self._given_until
        if self._given_until is None:
            return Batch(contents, None)
        month, read = self._quota.state
        cursor = msgspec.json.encode(_Cursor(self._given_until, month, read)).decode()
        return Batch(contents, cursor)

    async def _run(self, session: aiohttp.ClientSession, put: Put[_Step]) -> None:
        while True:
            try:
                await self._wait_for_quota(session, put)
                rules = wanted_rules(self._tags, self._settings.rule_characters)
                await synchronise(session, self._settings.url, self._headers, rules, self._settings.rule_tag)
                await self._listen(session, put)
                wait = 0.0
            except StreamError as error:
                if error.is_cap:
                    self._quota.exhaust()
                wait = self._pauses.after_limit(0) if error.is_crowd else self._pauses.after_http_error()
                self._tell(error, wait)
            except http.BadAnswer as error:
                wait = self._judge(error)
            except http.TROUBLE as error:
                wait = self._pauses.after_network_error()
                self._tell(error, wait)
            metrics.RECONNECTS.labels(SOURCE).inc()
            await self._sleep(wait)

    async def _wait_for_quota(self, session: aiohttp.ClientSession, put: Put[_Step]) -> None:
        """Returns when posts may be read."""
        told = False
        await self._quota.ask(session, self._settings.url, self._headers)
        while (why := self._quota.exhausted) is not None:
            if not told:
                told = True
                await put(self._gap(why))
                logger.error("%s: nothing is read until the next month, or until X allows more", why)
            await self._sleep(_QUOTA_SECONDS)
            await self._quota.ask(session, self._settings.url, self._headers)

    async def _listen(self, session: aiohttp.ClientSession, put: Put[_Step]) -> None:
        """Returns when the posts of this month are read."""
        url = f"{self._settings.url}/2/tweets/search/stream"
        away = self._away()
        params = dict(_FIELDS)
        if away and self._settings.backfill_minutes:
            params["backfill_minutes"] = str(
                min(self._settings.backfill_minutes, 1 + math.floor(away.total_seconds() / 60))
            )
        async with http.listen(session, url, params=params, headers=self._headers) as response:
            logger.info("listening to %s on %s", " ".join(f"#{tag}" for tag in self._tags), self._host)
            if (gap := self._gap_after_cut()) is not None:
                await put(gap)
            async for line in http.lines(response, self._settings.silence_seconds):
                now = self._now()
                if isinstance(line, TooLong):
                    error = f"a line of {line.size} bytes, cut to {len(line.begin)}"
                    await put(_Step(content=Unreadable(self._host, 0, line.begin, "oversize", error), at=now))
                elif line:
                    if (stop := ended(line)) is not None:
                        raise stop
                    await put(_Step(line, at=now))
                    self._quota.count()
                else:
                    await put(_Step(at=now))
                self._whole_until = now
                self._pauses.reset()
                if self._quota.exhausted is not None:
                    return

    def _away(self) -> timedelta | None:
        """For how long nothing was heard; None before the first time."""
        return None if self._whole_until is None else max(timedelta(), self._now() - self._whole_until)

    def _gap_after_cut(self) -> _Step | None:
        """What the stream does not send again after a cut."""
        away, backfill = self._away(), timedelta(minutes=self._settings.backfill_minutes)
        if away is None or away <= backfill:
            return None
        if not backfill:
            return self._gap("the connection was cut, and without TAGPULSE_X__BACKFILL_MINUTES nothing is sent again")
        return self._gap(f"the connection was cut for {away}, X sends {backfill} again")

    def _gap(self, why: str) -> _Step:
        now = self._now()
        gap = report_gap(SOURCE, self._host, why, since=self._whole_until, now=now)
        self._whole_until = None  # told once
        return _Step(content=gap, at=now)

    def _judge(self, error: http.BadAnswer) -> float:
        """Seconds to wait after an answer that was no success. Raises Refused."""
        capped = error.status == HTTPStatus.PAYMENT_REQUIRED or any(mark in error.body for mark in _CAPPED)
        if error.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.PAYMENT_REQUIRED) or capped:
            if capped:
                self._quota.exhaust()
            wait = self._pauses.after_limit(error.reset_seconds(self._now()))
            self._tell(error, wait)
            return wait
        advice = (
            {
                HTTPStatus.BAD_REQUEST: "check TAGPULSE_X__BACKFILL_MINUTES, TAGPULSE_X__RULE_CHARACTERS and the hashtags",
                HTTPStatus.UNAUTHORIZED: "check TAGPULSE_X__TOKEN",
                HTTPStatus.FORBIDDEN: "check TAGPULSE_X__TOKEN, and whether its plan has the filtered stream",
                HTTPStatus.NOT_FOUND: "check TAGPULSE_X__URL",
            }.get(HTTPStatus(error.status))
            if error.status in list(HTTPStatus)
            else None
        )
        if advice is not None:
            raise Refused(f"{self._settings.url}: {error}: {advice}") from None
        wait = max(self._pauses.after_http_error(), error.reset_seconds(self._now()))
        self._tell(error, wait)
        return wait

    async def _run_compliance(self, session: aiohttp.ClientSession, partition: int, put: Put[_Step]) -> None:
        """Deletions: a quarter of those of the whole network."""
        url = f"{self._settings.url}/2/tweets/compliance/stream"
        pauses = Pauses(self._jitter)
        heard_at: datetime | None = None
        while True:
            params = {"partition": str(partition)} | ({"backfill_minutes": "5"} if heard_at else {})
            try:
                async with http.listen(session, url, params=params, headers=self._headers) as response:
                    if heard_at and self._now() - heard_at > _COMPLIANCE_BACKFILL:
                        why = f"deletions were not heard for more than {_COMPLIANCE_BACKFILL} (partition {partition})"
                        gap = report_gap(SOURCE, self._host, why, since=heard_at, now=self._now())
                        await put(_Step(content=gap))
                    async for line in http.lines(response, self._settings.silence_seconds):
                        heard_at = self._now()
                        pauses.reset()
                        if line and not isinstance(line, TooLong):
                            await put(_Step(line))
            except http.BadAnswer as error:
                if error.status in http.REFUSALS:
                    raise Refused(
                        f"{url}: {error}: check TAGPULSE_X__COMPLIANCE: the plan may have no compliance streams"
                    ) from None
                limited = error.status == HTTPStatus.TOO_MANY_REQUESTS
                reset = error.reset_seconds(self._now())
                wait = pauses.after_limit(reset) if limited else max(pauses.after_http_error(), reset)
                self._tell(error, wait)
            except http.TROUBLE as error:
                wait = pauses.after_network_error()
                self._tell(error, wait)
            metrics.RECONNECTS.labels(SOURCE).inc()
            await self._sleep(wait)

    def _tell(self, error: Exception, wait: float) -> None:
        logger.warning("%s: %s: connecting again in %.1f s", self._host, str(error) or repr(error), wait)


def _read_cursor(cursor: str) -> _Cursor:
    try:
        saved = _CURSOR.decode(cursor)
    except (msgspec.MsgspecError, RecursionError):
        saved = None
    if saved is None or saved.at.tzinfo is None:
        raise SettingsError(f"produce.state_path: {cursor[:100]!r} is no cursor of X: remove it to start anew")
    return saved
