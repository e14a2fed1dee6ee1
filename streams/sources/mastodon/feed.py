"""One hashtag on one instance of Mastodon: its stream, and what its timeline tells of the time that the stream was away."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import NamedTuple

import msgspec

from streams import metrics
from streams.backoff import Backoff
from streams.errors import Refused
from streams.settings import MastodonSettings
from streams.sources import http
from streams.sources.base import MAX_FRAME_BYTES, Content, Unreadable
from streams.sources.live import report_gap
from streams.sources.mastodon.instance import BEFORE_ALL, PAGE, Instance, order
from streams.sources.mastodon.status import DELETE, EDIT, SOURCE, UPDATE, LocalId, MastodonParser
from streams.sources.merge import Put
from streams.sources.recently_seen import RecentlySeen
from streams.sources.times import CLOCKS_DIFFER
from streams.sources.untyped import time
from streams.sources.wire import EventReader, TooLong, event_frame

logger = logging.getLogger(__name__)

_RECALLED = 200  # so many posts are looked at again after a cut
_KNOWN_BYTES = 2**18  # twice as many ids, of any length
_LATE = timedelta(minutes=15)  # a post may take so long from one instance to another
_ASK_AGAIN_SECONDS = 900.0  # after a refusal for good: somebody may mend it


class ReadPosition(msgspec.Struct, frozen=True):
    """Up to which post a hashtag of an instance was read, and when that came."""

    id: str
    at: datetime


class FeedStep(NamedTuple):
    """Something that a feed gave: an event, a finished content, or only how far it is read."""

    instance: Instance
    tag: str
    frame: bytes | None = None
    local_id: str | None = None
    """The feed is read up to this post."""
    content: Content | None = None


class _Id(msgspec.Struct):
    id: LocalId


_ID: msgspec.json.Decoder[_Id] = msgspec.json.Decoder(_Id)


class Refusals:
    """The feeds that are refused for good: they end the source only when none is left."""

    def __init__(self, feeds: int) -> None:
        self._feeds = feeds
        self._refused: set[HashtagFeed] = set()

    def add(self, feed: HashtagFeed, error: Refused) -> bool:
        """Whether this is news. Raises the error when all feeds are refused."""
        news = feed not in self._refused
        self._refused.add(feed)
        if len(self._refused) == self._feeds:
            raise error from None
        return news

    def remove(self, feed: HashtagFeed) -> None:
        """It is heard."""
        self._refused.discard(feed)


class HashtagFeed:
    """Listens for ever."""

    def __init__(
        self,
        instance: Instance,
        tag: str,
        settings: MastodonSettings,
        parser: MastodonParser,
        refusals: Refusals,
        *,
        place: ReadPosition | None,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
        jitter: Callable[[], float],
    ) -> None:
        """`place`: up to where an earlier run has read."""
        self._instance = instance
        self._tag = tag
        self._settings = settings
        self._parser = parser
        self._refusals = refusals
        self._now = now
        self._sleep = sleep
        self._backoff = Backoff(settings.max_backoff_seconds, jitter)
        self._last = place.id if place else ""
        """The newest post that was read, \"\" before the first connection."""
        self._last_at = place.at if place else None
        self._known = RecentlySeen[str, None](_KNOWN_BYTES)
        """What was read, or stood there before this process began."""
        self._floor: tuple[int, str] | None = None
        """Older posts stood there before this process began, None until that was looked at."""

    async def run(self, put: Put[FeedStep]) -> None:
        """Raises Refused, when all feeds are."""
        while True:
            try:
                await self._listen(put)
            except http.BadAnswer as error:
                if error.status in http.REFUSALS:
                    wait = await self._take_refusal(error, put)
                else:
                    wait = max(self._wait_after(error), error.reset_seconds(self._now()))
            except http.TROUBLE as error:
                wait = self._wait_after(error)
            self._instance.forget()
            metrics.RECONNECTS.labels(SOURCE).inc()
            await self._sleep(wait)

    async def _listen(self, put: Put[FeedStep]) -> None:
        await self._instance.discover()
        if not self._last:
            await self._begin(put)
        step = partial(FeedStep, self._instance, self._tag)
        async with self._instance.listen(self._tag, self._settings.silence_seconds) as lines:
            # the stream stands before the timeline is asked: what is posted meanwhile comes through one of them, or both
            await self._recall(put)
            await self._fill(put)
            self._refusals.remove(self)
            logger.info("listening to #%s on %s", self._tag, self._instance.host)
            events = EventReader(MAX_FRAME_BYTES)
            async for line in lines:
                self._backoff.reset()
                event = events.feed(line)
                if isinstance(event, TooLong):
                    error = f"an event of {event.size} bytes, cut to {len(event.begin)}"
                    await put(step(content=Unreadable(self._instance.host, 0, event.begin, "oversize", error)))
                elif event is not None:
                    local_id = _local_id(event.data) if event.name == UPDATE else None
                    await put(step(event_frame(event.name, event.data), local_id))
                    if local_id:
                        self._read_up_to(local_id)

    async def _begin(self, put: Put[FeedStep]) -> None:
        """Begins behind what stands in the timeline: so a cut before the first post loses none either."""
        standing = await self._instance.newest(self._tag)
        self._floor = order(standing[-1].head.id) if len(standing) >= PAGE else BEFORE_ALL
        for head, _ in reversed(standing):
            self._known.add(head.id, None)
        self._read_up_to(standing[0].head.id if standing else "0")
        await put(FeedStep(self._instance, self._tag, local_id=self._last))

    async def _recall(self, put: Put[FeedStep]) -> None:
        """Looks again at the posts around the last one that was read.

        The stream was away when they were edited or deleted, and some of them came only then: a post of another instance
        gets an id of the time when it was written.
        """
        since = self._since()
        began = self._floor is not None
        latest = await self._instance.latest(self._tag, self._last, _RECALLED, self._floor or BEFORE_ALL)
        for head, data in reversed(latest):
            edited_at, made_at = time(head.edited_at), time(head.created_at)
            if edited_at is not None and (since is None or edited_at > since - CLOCKS_DIFFER):
                await put(FeedStep(self._instance, self._tag, event_frame(EDIT, data)))
            elif began or since is None or made_at is None or made_at > since - _LATE:
                # after a restart some of them were read before: that they come again harms nothing
                if head.id not in self._known:
                    await put(FeedStep(self._instance, self._tag, event_frame(UPDATE, data)))
            else:
                self._parser.learn(data, self._instance.domain)
            self._known.add(head.id, None)
        if not began:
            self._floor = order(latest[-1].head.id) if len(latest) == _RECALLED else BEFORE_ALL
        if latest:
            await self._find_deleted({head.id for head, _ in latest}, put)

    async def _find_deleted(self, standing: set[str], put: Put[FeedStep]) -> None:
        oldest = min(map(order, standing))
        for local_id in [found for found in self._known if order(found) > oldest and found not in standing]:
            # a timeline may leave out a post for other reasons
            if await self._instance.is_gone(local_id):
                await put(FeedStep(self._instance, self._tag, event_frame(DELETE, local_id.encode())))

    async def _fill(self, put: Put[FeedStep]) -> None:
        """Fetches what was posted since the last post that was read."""
        since, fetched = self._since(), 0
        async for page in self._instance.missed(self._tag, self._last):
            if fetched >= self._settings.backfill_posts:
                reason = f"more than TAGPULSE_MASTODON__BACKFILL_POSTS were missed, {fetched} were fetched"
                await self._tell_gap(reason, since, put)
                break
            for head, status in page:
                await put(FeedStep(self._instance, self._tag, event_frame(UPDATE, status), head.id))
                self._read_up_to(head.id)
            fetched += len(page)
        if fetched:
            logger.info("%s: fetched %d posts of #%s after a gap", self._instance.host, fetched, self._tag)

    def _read_up_to(self, local_id: str) -> None:
        self._known.add(local_id, None)
        if order(local_id) >= order(self._last):
            self._last, self._last_at = local_id, self._now()

    def _since(self) -> datetime | None:
        """When the newest post came; None when that is not known, or the clock that told it was wrong."""
        return self._last_at if self._last_at is not None and self._last_at <= self._now() + CLOCKS_DIFFER else None

    async def _take_refusal(self, error: http.BadAnswer, put: Put[FeedStep]) -> float:
        """Seconds to wait. Raises Refused."""
        advice = {
            HTTPStatus.UNAUTHORIZED: "check TAGPULSE_MASTODON__TOKENS: it needs a token with read:statuses",
            HTTPStatus.FORBIDDEN: "check TAGPULSE_MASTODON__TOKENS: the token may lack read:statuses",
        }.get(HTTPStatus(error.status), "check TAGPULSE_MASTODON__INSTANCES")
        refused = Refused(f"{self._instance.url} answers {error.status}: {advice}")
        if self._refusals.add(self, refused):
            await self._tell_gap(str(refused), self._since(), put)
        return _ASK_AGAIN_SECONDS

    async def _tell_gap(self, reason: str, since: datetime | None, put: Put[FeedStep]) -> None:
        gap = report_gap(SOURCE, self._instance.host, f"#{self._tag}: {reason}", since=since, now=self._now())
        await put(FeedStep(self._instance, self._tag, content=gap))

    def _wait_after(self, error: Exception) -> float:
        wait = self._backoff.next()
        said = str(error) or repr(error)
        logger.warning("%s, #%s: %s: connecting again in %.1f s", self._instance.host, self._tag, said, wait)
        return wait


def _local_id(status: bytes) -> str | None:
    try:
        return _ID.decode(status).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None  # the parser says what is wrong with it
