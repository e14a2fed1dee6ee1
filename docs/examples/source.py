"""A network of your own: the items of a JSON Feed (https://jsonfeed.org), read again and again."""

import asyncio
import hashlib
import os
from datetime import datetime
from typing import Annotated

import aiohttp
import msgspec

from streams.contracts import Post, find_hashtags, utc_now
from streams.retry.backoff import Backoff
from streams.sources.base import Batch, Source, Unreadable
from streams.sources.network import Network
from streams.sources.tags import Tags


class Feed(msgspec.Struct):
    items: list[msgspec.Raw]


class Item(msgspec.Struct):
    id: str
    content_text: str
    date_published: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class FeedParser:
    def __init__(self, tags, times):
        self.tags, self.times = tags, times

    def read(self, frame, origin, now):
        try:
            item = msgspec.json.decode(frame, type=Item)
            hashtags = find_hashtags(item.content_text)
            at, is_estimate, claimed = self.times.written(item.date_published, now)
            post = Post(
                source=JsonFeed.name,
                id=item.id,
                text=item.content_text,
                created_at=at,
                created_at_is_estimate=is_estimate,
                author_created_at=claimed,
                collected_at=now,
                hashtags=tuple(hashtags),
            )
        except (msgspec.MsgspecError, ValueError) as error:  # the bytes go to the dead letters
            return [Unreadable(origin, 0, frame, "malformed", str(error))]
        return [post] if self.tags.match(hashtags) else []


class FeedSource(Source):
    def __init__(self, url, parser, cursor):
        self.name, self.url, self.parser, self.seen = JsonFeed.name, url, parser, set((cursor or "").split())

    async def batches(self):
        backoff = Backoff(60.0)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as client:
            while True:
                try:
                    async with client.get(self.url, raise_for_status=True) as answer:
                        frames = [bytes(item) for item in msgspec.json.decode(await answer.read(), type=Feed).items]
                    backoff.reset()
                except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError):  # an outage is waited out
                    await asyncio.sleep(backoff.next())
                    continue
                marks = {hashlib.sha256(frame).hexdigest()[:16]: frame for frame in reversed(frames)}
                contents = []
                for frame in (frame for mark, frame in marks.items() if mark not in self.seen):
                    if self.recorder:
                        self.recorder(self.url, frame)
                    contents += self.parser.read(frame, self.url, utc_now())
                self.seen = set(marks)
                yield Batch(contents, " ".join(marks))
                await asyncio.sleep(float(os.environ.get("FEED_SECONDS", "60")))


class JsonFeed(Network):
    name = "jsonfeed"
    help = "Listen to the JSON Feed at FEED_URL until stopped."

    def open_source(self, hashtags, cursor=None):
        return FeedSource(self.identity(), self.open_parser(hashtags), cursor)

    def open_parser(self, hashtags):
        return FeedParser(Tags(hashtags), self.times)

    def identity(self):
        return os.environ["FEED_URL"]
