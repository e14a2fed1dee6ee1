"""Reads one hashtag of one Mastodon instance: its stream, and its timeline for the time without a stream."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import NamedTuple

import msgspec

from streams import metrics
from streams.errors import Refused
from streams.retry.backoff import Backoff
from streams.settings import MastodonSettings
from streams.sources import http
from streams.sources.base import MAX_FRAME_BYTES, Content, Unreadable
from streams.sources.live import Timing, report_gap
from streams.sources.mastodon.instance import BEFORE_ALL, PAGE, Instance, order
from streams.sources.mastodon.status import DELETE, EDIT, SOURCE, UPDATE, LocalId, MastodonParser
from streams.sources.merge import Put
from streams.sources.recently_seen import RecentlySeen
from streams.sources.times import CLOCKS_DIFFER
from streams.sources.untyped import time
from streams.sources.wire import EventReader, TooLong, event_frame

logger = logging.getLogger(__name__)

_RECHECKED_POSTS = 200  # how many posts are checked again after a cut
_KNOWN_BYTES = 2**18  # room for twice as many ids, of any length
_MAX_DELAY = timedelta(minutes=15)  # how long a post may take from one instance to another
_RETRY_REFUSED_SECONDS = 900.0  # after a permanent refusal, since an administrator may fix the cause


class ReadPosition(msgspec.Struct, frozen=True):
    """The newest post that was read of a hashtag on an instance, and when it arrived."""

    id: str
    at: datetime


class FeedStep(NamedTuple):
    """A step of a feed: an event, finished content, or only how far the feed was read."""

    instance: Instance
    tag: str
    frame: bytes | None = None
    local_id: str | None = None
    """Id of the post up to which the feed was read."""
    content: Content | None = None


class _Id(msgspec.Struct):
    id: LocalId


_ID: msgspec.json.Decoder[_Id] = msgspec.json.Decoder(_Id)


class Refusals:
    """The feeds that are refused permanently; the source ends only when all of them are."""

    def __init__(self, feeds: int) -> None:
        self._feeds = feeds
        self._refused: set[HashtagFeed] = set()

    def add(self, feed: HashtagFeed, error: Refused) -> bool:
        """Record a refusal and return whether the feed was not refused before.

        Raises:
            Refused: All feeds are refused; this is `error`.
        """
        is_new = feed not in self._refused
        self._refused.add(feed)
        if len(self._refused) == self._feeds:
            raise error from None
        return is_new

    def remove(self, feed: HashtagFeed) -> None:
        """Record that a feed is no longer refused."""
        self._refused.discard(feed)


class HashtagFeed:
    """Reads a hashtag of an instance; never ends."""

    def __init__(
        self,
        instance: Instance,
        tag: str,
        settings: MastodonSettings,
        parser: MastodonParser,
        refusals: Refusals,
        *,
        position: ReadPosition | None,
        timing: Timing,
    ) -> None:
        """Prepare the feed; it connects in `run`.

        Args:
            position: How far an earlier run has read.
        """
        self._instance = instance
        self._tag = tag
        self._settings = settings
        self._parser = parser
        self._refusals = refusals
        self._timing = timing
        self._backoff = Backoff(settings.max_backoff_seconds, timing.jitter)
        self._last = position.id if position else ""
        """Id of the newest post that was read; empty before the first connection."""
        self._last_at = position.at if position else None
        self._known = RecentlySeen[str, None](_KNOWN_BYTES)
        """Posts that were read, or were on the timeline before this process started."""
        self._floor: tuple[int, str] | None = None
        """Posts older than this were on the timeline before this process started; None until that was checked."""

    async def run(self, put: Put[FeedStep]) -> None:
        """Read the feed and pass on its steps; reconnect after errors.

        Raises:
            Refused: All feeds are refused permanently.
        """
        while True:
            try:
                await self._listen(put)
            except http.BadResponse as error:
                if error.status in http.REFUSALS:
                    wait = await self._handle_refusal(error, put)
                else:
                    wait = max(self._wait_after(error), error.reset_seconds(self._timing.now()))
            except http.TRANSIENT_ERRORS as error:
                wait = self._wait_after(error)
            self._instance.forget()
            metrics.RECONNECTS.labels(SOURCE).inc()
            await self._timing.sleep(wait)

    async def _listen(self, put: Put[FeedStep]) -> None:
        await self._instance.discover()
        if not self._last:
            await self._start_after_newest(put)
        step = partial(FeedStep, self._instance, self._tag)
        async with self._instance.listen(self._tag, self._settings.silence_seconds) as lines:
            # the stream is opened before the timeline is requested, so that new posts come through at least one of them
            await self._recheck(put)
            await self._backfill(put)
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

    async def _start_after_newest(self, put: Put[FeedStep]) -> None:
        """Start after the newest post of the timeline, so that a cut before the first new post loses none."""
        page = await self._instance.newest(self._tag)
        self._floor = order(page[-1].head.id) if len(page) >= PAGE else BEFORE_ALL
        for head, _ in reversed(page):
            self._known.add(head.id, None)
        self._read_up_to(page[0].head.id if page else "0")
        await put(FeedStep(self._instance, self._tag, local_id=self._last))

    async def _recheck(self, put: Put[FeedStep]) -> None:
        """Check the posts before the last one that was read for edits, deletions and late arrivals.

        All of these may have happened while the stream was down. A late arrival can come before the last post because
        the id of a post from another instance follows the time when it was written.
        """
        since = self._since()
        floor_is_known = self._floor is not None
        latest = await self._instance.latest(self._tag, self._last, _RECHECKED_POSTS, self._floor or BEFORE_ALL)
        for head, data in reversed(latest):
            edited_at, made_at = time(head.edited_at), time(head.created_at)
            if edited_at is not None and (since is None or edited_at > since - CLOCKS_DIFFER):
                await put(FeedStep(self._instance, self._tag, event_frame(EDIT, data)))
            elif floor_is_known or since is None or made_at is None or made_at > since - _MAX_DELAY:
                # after a restart some of these were read before; duplicates do no harm
                if head.id not in self._known:
                    await put(FeedStep(self._instance, self._tag, event_frame(UPDATE, data)))
            else:
                self._parser.learn(data, self._instance.domain)
            self._known.add(head.id, None)
        if not floor_is_known:
            self._floor = order(latest[-1].head.id) if len(latest) == _RECHECKED_POSTS else BEFORE_ALL
        if latest:
            await self._find_deleted({head.id for head, _ in latest}, put)

    async def _find_deleted(self, present: set[str], put: Put[FeedStep]) -> None:
        oldest = min(map(order, present))
        for local_id in [known for known in self._known if order(known) > oldest and known not in present]:
            # a timeline may omit a post for other reasons
            if await self._instance.is_gone(local_id):
                await put(FeedStep(self._instance, self._tag, event_frame(DELETE, local_id.encode())))

    async def _backfill(self, put: Put[FeedStep]) -> None:
        """Fetch the posts since the last one that was read."""
        since, fetched = self._since(), 0
        async for page in self._instance.missed(self._tag, self._last):
            if fetched >= self._settings.backfill_posts:
                reason = f"more posts than TAGPULSE_MASTODON__BACKFILL_POSTS were missed; {fetched} were fetched"
                await self._report_gap(reason, since, put)
                break
            for head, status in page:
                await put(FeedStep(self._instance, self._tag, event_frame(UPDATE, status), head.id))
                self._read_up_to(head.id)
            fetched += len(page)
        if fetched:
            logger.info("%s: fetched %d missed posts of #%s", self._instance.host, fetched, self._tag)

    def _read_up_to(self, local_id: str) -> None:
        self._known.add(local_id, None)
        if order(local_id) >= order(self._last):
            self._last, self._last_at = local_id, self._timing.now()

    def _since(self) -> datetime | None:
        """Return when the newest post arrived; None if that is unknown, or was taken from a wrong clock."""
        return (
            self._last_at if self._last_at is not None and self._last_at <= self._timing.now() + CLOCKS_DIFFER else None
        )

    async def _handle_refusal(self, error: http.BadResponse, put: Put[FeedStep]) -> float:
        """Record a permanent refusal and return the seconds to wait.

        Raises:
            Refused: All feeds are refused.
        """
        advice = {
            HTTPStatus.UNAUTHORIZED: "check TAGPULSE_MASTODON__TOKENS: a token with read:statuses is required",
            HTTPStatus.FORBIDDEN: "check TAGPULSE_MASTODON__TOKENS: the token may lack read:statuses",
        }.get(HTTPStatus(error.status), "check TAGPULSE_MASTODON__INSTANCES")
        refused = Refused(f"{self._instance.url} responded with HTTP {error.status}: {advice}")
        if self._refusals.add(self, refused):
            await self._report_gap(str(refused), self._since(), put)
        return _RETRY_REFUSED_SECONDS

    async def _report_gap(self, reason: str, since: datetime | None, put: Put[FeedStep]) -> None:
        gap = report_gap(SOURCE, self._instance.host, f"#{self._tag}: {reason}", since=since, now=self._timing.now())
        await put(FeedStep(self._instance, self._tag, content=gap))

    def _wait_after(self, error: Exception) -> float:
        wait = self._backoff.next()
        reason = str(error) or repr(error)
        logger.warning("%s, #%s: %s: reconnecting in %.1f s", self._instance.host, self._tag, reason, wait)
        return wait


def _local_id(status: bytes) -> str | None:
    try:
        return _ID.decode(status).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None  # the parser reports what is wrong with it
