"""Mastodon: the streams of several hashtags on several instances at once, each back-filled after a cut."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import NamedTuple

import msgspec

from streams import metrics
from streams.backoff import Backoff
from streams.contracts import Gap, Post, normalise_hashtags, utc_now
from streams.errors import Refused, SettingsError
from streams.settings import MastodonSettings
from streams.sources import http
from streams.sources.base import Batch, Content, Source, Unreadable
from streams.sources.live import report_gap, show_behind
from streams.sources.mastodon_instance import Instance, order
from streams.sources.mastodon_status import DELETE, EDIT, SOURCE, UPDATE, MastodonParser
from streams.sources.merged import Put, merged
from streams.sources.recent import Recent
from streams.sources.tags import Tags
from streams.sources.untyped import time
from streams.sources.wire import EventReader, TooLong, event_frame

logger = logging.getLogger(__name__)

_RECALLED = 200  # of each hashtag and instance: so many posts are looked at again after a cut
_MAX_ID = 100  # characters; the newest id stands in the cursor
_CLOCKS_DIFFER = timedelta(minutes=1)


class _Place(msgspec.Struct, frozen=True):
    """Up to which post a hashtag of an instance was read, and when that came."""

    id: str
    at: datetime


class _Step(NamedTuple):
    """Something that a feed gave: an event, or a finished content."""

    instance: Instance
    tag: str
    frame: bytes | None = None
    local_id: str | None = None
    """Of the post in the frame: the feed is read up to it."""
    content: Content | None = None


class _Id(msgspec.Struct):
    id: str = ""


_ID: msgspec.json.Decoder[_Id] = msgspec.json.Decoder(_Id)
_Places = dict[str, _Place]
_CURSOR: msgspec.json.Decoder[_Places] = msgspec.json.Decoder(_Places)


class MastodonSource(Source):
    """Listens for ever.

    The cursor holds, for each hashtag of each instance, the newest post that was read: from there on its timeline is
    fetched after a cut or a restart, until it meets the stream.
    """

    name = SOURCE

    def __init__(
        self,
        settings: MastodonSettings,
        tags: Collection[str],
        *,
        cursor: str | None = None,
        now: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Raises SettingsError when there is no hashtag, or the cursor is none."""
        self._tags = normalise_hashtags(list(tags))
        if not self._tags:
            raise SettingsError("Mastodon streams hashtags: name some in the campaign file, or with --tag")
        self._settings = settings
        self._places = _read_cursor(cursor)
        self._parser = MastodonParser(Tags(self._tags))
        self._now = now
        self._sleep = sleep
        self._jitter = jitter
        self._bytes = 0

    @property
    def progress(self) -> tuple[int, int | None]:
        return self._bytes, None

    def describe(self, cursor: str) -> str:
        newest = max((place.at for place in _read_cursor(cursor).values()), default=None)
        return "the begin" if newest is None else newest.isoformat(timespec="seconds")

    async def batches(self) -> AsyncIterator[Batch]:
        async with http.open_session() as session:
            feeds = [
                _Feed(self, Instance(session, url, token), tag)
                for url, token in self._settings.servers.items()
                for tag in self._tags
            ]
            steps = merged([feed.run for feed in feeds])
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
            origin = step.instance.domain
            if self.tape is not None:
                self.tape(origin, step.frame)
            contents += self._parser.read(step.frame, origin, now)
        for content in contents:
            if isinstance(content, Post):
                show_behind(SOURCE, content.edited_at or content.created_at, now)
        if step.local_id:
            key = _key(step.instance, step.tag)
            last = self._places.get(key)
            if last is None or order(step.local_id) >= order(last.id):
                self._places[key] = _Place(step.local_id, now)
        return Batch(contents, msgspec.json.encode(self._places).decode() if self._places else None)

    def place(self, instance: Instance, tag: str) -> _Place | None:
        """Up to where a hashtag of an instance was read."""
        return self._places.get(_key(instance, tag))

    def learn(self, instance: Instance, status: bytes) -> None:
        """Takes a status as read in an earlier run."""
        self._parser.learn(status, instance.domain)

    def gap(self, instance: Instance, reason: str, since: datetime | None) -> Gap:
        """Reports a gap."""
        return report_gap(SOURCE, instance.host, reason, since=since, now=self._now())


class _Feed:
    """One hashtag on one instance."""

    def __init__(self, source: MastodonSource, instance: Instance, tag: str) -> None:
        self._source = source
        self._settings = source._settings
        self._instance = instance
        self._tag = tag
        self._now = source._now
        self._sleep = source._sleep
        self._backoff = Backoff(self._settings.max_backoff_seconds, source._jitter)
        place = source.place(instance, tag)
        self._last = place.id if place else None
        self._last_at = place.at if place else None
        self._ids = Recent[str, None](_RECALLED)
        """Read by this process."""

    async def run(self, put: Put[_Step]) -> None:
        """Listens for ever. Raises Refused."""
        while True:
            try:
                await self._listen(put)
            except http.BadAnswer as error:
                wait = self._judge(error)
            except http.TROUBLE as error:
                wait = self._wait_after(error)
            self._instance.forget()
            metrics.RECONNECTS.labels(SOURCE).inc()
            await self._sleep(wait)

    async def _listen(self, put: Put[_Step]) -> None:
        await self._instance.discover()
        step = partial(_Step, self._instance, self._tag)
        async with self._instance.listen(self._tag) as response:
            # the stream stands before the timeline is asked: what is posted meanwhile comes through one of them, or both
            await self._recall(put)
            await self._fill(put)
            logger.info("listening to #%s on %s", self._tag, self._instance.host)
            events = EventReader(http.MAX_LINE_BYTES)
            async for line in http.lines(response, self._settings.silence_seconds):
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

    async def _recall(self, put: Put[_Step]) -> None:
        """Looks again at the posts that were read last: the stream was away when they were edited or deleted."""
        if self._last is None:
            return
        step = partial(_Step, self._instance, self._tag)
        latest = await self._instance.latest(self._tag, self._last, _RECALLED)
        for head, data in reversed(latest):
            edited_at = time(head.edited_at)
            if edited_at is not None and self._last_at is not None and edited_at > self._last_at - _CLOCKS_DIFFER:
                await put(step(event_frame(EDIT, data)))
            elif head.id not in self._ids:
                self._source.learn(self._instance, data)
        if not latest:
            return
        standing = {head.id for head, _ in latest}
        oldest = min(map(order, standing))
        for local_id in [found for found in self._ids if order(found) > oldest and found not in standing]:
            # a timeline may leave out a post for other reasons
            if await self._instance.is_gone(local_id):
                await put(step(event_frame(DELETE, local_id.encode())))

    async def _fill(self, put: Put[_Step]) -> None:
        """Fetches what was posted since the last post that was read."""
        if self._last is None:
            return
        since, fetched = self._last_at, 0
        async for page in self._instance.missed(self._tag, self._last):
            for head, status in page:
                await put(_Step(self._instance, self._tag, event_frame(UPDATE, status), head.id))
                self._read_up_to(head.id)
            fetched += len(page)
            if fetched >= self._settings.backfill_posts:
                reason = (
                    f"#{self._tag}: more than TAGPULSE_MASTODON__BACKFILL_POSTS were missed, {fetched} were fetched"
                )
                await put(_Step(self._instance, self._tag, content=self._source.gap(self._instance, reason, since)))
                break
        if fetched:
            logger.info("%s: fetched %d posts of #%s after a gap", self._instance.host, fetched, self._tag)

    def _read_up_to(self, local_id: str) -> None:
        self._ids.add(local_id, None)
        if self._last is None or order(local_id) >= order(self._last):
            self._last, self._last_at = local_id, self._now()

    def _judge(self, error: http.BadAnswer) -> float:
        """Seconds to wait after an answer that was no success. Raises Refused."""
        if error.status in http.REFUSALS:
            advice = {
                HTTPStatus.UNAUTHORIZED: "check TAGPULSE_MASTODON__TOKENS: it needs a token with read:statuses",
                HTTPStatus.FORBIDDEN: "check TAGPULSE_MASTODON__TOKENS: the token may lack read:statuses",
            }.get(HTTPStatus(error.status), "check TAGPULSE_MASTODON__INSTANCES")
            raise Refused(f"{self._instance.url} answers {error.status}: {advice}") from None
        return max(self._wait_after(error), error.reset_seconds(self._now()))

    def _wait_after(self, error: Exception) -> float:
        wait = self._backoff.next()
        said = str(error) or repr(error)
        logger.warning("%s, #%s: %s: connecting again in %.1f s", self._instance.host, self._tag, said, wait)
        return wait


def _key(instance: Instance, tag: str) -> str:
    return f"{instance.host} {tag}"


def _local_id(status: bytes) -> str | None:
    try:
        local_id = _ID.decode(status).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None  # the parser says what is wrong with it
    return local_id if 0 < len(local_id) <= _MAX_ID else None


def _read_cursor(cursor: str | None) -> _Places:
    if cursor is None:
        return {}
    try:
        places = _CURSOR.decode(cursor)
    except (msgspec.MsgspecError, RecursionError):
        raise SettingsError(
            f"produce.state_path: {cursor[:100]!r} is no cursor of Mastodon: remove it to start anew"
        ) from None
    return {key: _Place(place.id, place.at.replace(tzinfo=place.at.tzinfo or UTC)) for key, place in places.items()}
