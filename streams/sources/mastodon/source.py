"""Reads the streams of several hashtags on several Mastodon instances at once, with backfill after a cut."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime, timedelta

import msgspec

from streams.contracts import Post, normalise_hashtags
from streams.errors import SettingsError
from streams.settings import MastodonSettings
from streams.sources import http
from streams.sources.base import Batch, Content, Source
from streams.sources.live import REAL_TIME, PostTimes, Timing, update_lag
from streams.sources.mastodon.feed import FeedStep, HashtagFeed, ReadPosition, Refusals
from streams.sources.mastodon.instance import Instance, order
from streams.sources.mastodon.status import SOURCE, MastodonParser
from streams.sources.merge import merge
from streams.sources.tags import Tags
from streams.sources.times import CLOCKS_DIFFER

_PLAUSIBLE_LAG = timedelta(days=1)  # in addition to the time for which this process was down

_Positions = dict[str, ReadPosition]
_CURSOR: msgspec.json.Decoder[_Positions] = msgspec.json.Decoder(_Positions)


class MastodonSource(Source):
    """Reads all hashtags on all instances; never ends.

    The cursor contains the newest post that was read of each hashtag on each instance. After a cut or a restart the
    timeline is fetched from there, until it meets the stream.
    """

    name = SOURCE

    def __init__(
        self,
        settings: MastodonSettings,
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
            SettingsError: There is no hashtag, or `cursor` is not a Mastodon cursor.
        """
        self._tags = normalise_hashtags(list(tags))
        if not self._tags:
            raise SettingsError("Mastodon requires a hashtag: name at least one in the campaign file, or with --tag")
        self._settings = settings
        self._positions = _read_cursor(cursor)
        self._parser = MastodonParser(Tags(self._tags), times)
        self._timing = timing
        self._bytes = 0
        self._newest = (
            min((position.at for position in self._positions.values()), default=timing.now()) - _PLAUSIBLE_LAG
        )
        """Time of the newest post; initially a lower bound, since anything older cannot be lag."""

    @property
    def progress(self) -> tuple[int, int | None]:
        return self._bytes, None

    def describe(self, cursor: str) -> str:
        newest = max((position.at for position in _read_cursor(cursor).values()), default=None)
        return "the beginning" if newest is None else newest.isoformat(timespec="seconds")

    async def batches(self) -> AsyncIterator[Batch]:
        servers = self._settings.servers
        refusals = Refusals(len(servers) * len(self._tags))
        async with contextlib.AsyncExitStack() as stack:
            clients = {url: await stack.enter_async_context(http.Client(url)) for url in servers}
            feeds = [
                self._feed(Instance(clients[url], url, token), tag, refusals)
                for url, token in servers.items()
                for tag in self._tags
            ]
            steps = merge([feed.run for feed in feeds])
            try:
                async for step in steps:
                    yield self._handle_step(step)
            finally:
                await steps.aclose()  # type: ignore[attr-defined]

    def _feed(self, instance: Instance, tag: str, refusals: Refusals) -> HashtagFeed:
        return HashtagFeed(
            instance,
            tag,
            self._settings,
            self._parser,
            refusals,
            position=self._positions.get(_key(instance, tag)),
            timing=self._timing,
        )

    def _handle_step(self, step: FeedStep) -> Batch:
        now = self._timing.now()
        contents: list[Content] = [] if step.content is None else [step.content]
        if step.frame is not None:
            self._bytes += len(step.frame)
            origin = step.instance.domain
            if self.recorder is not None:
                self.recorder(origin, step.frame)
            contents += self._parser.read(step.frame, origin, now)
        for content in contents:
            if isinstance(content, Post) and content.edited_at is None:  # edits are fetched before older posts
                self._show_behind(content.author_created_at or content.created_at, now)
        if step.local_id:
            key = _key(step.instance, step.tag)
            last = self._positions.get(key)
            if last is None or order(step.local_id) >= order(last.id):
                self._positions[key] = ReadPosition(step.local_id, now)
        return Batch(contents, msgspec.json.encode(self._positions).decode() if self._positions else None)

    def _show_behind(self, made_at: datetime, now: datetime) -> None:
        """Update the lag from the newest post only: an author's server may send posts late or have a wrong clock."""
        if self._newest > now + CLOCKS_DIFFER:  # our own clock was set back
            self._newest = now - _PLAUSIBLE_LAG
        if self._newest <= made_at <= now + CLOCKS_DIFFER:
            self._newest = made_at
            update_lag(SOURCE, made_at, now)


def _key(instance: Instance, tag: str) -> str:
    return f"{instance.host} {tag}"


def _read_cursor(cursor: str | None) -> _Positions:
    if cursor is None:
        return {}
    try:
        positions = _CURSOR.decode(cursor)
    except (msgspec.MsgspecError, RecursionError):
        raise SettingsError(
            f"TAGPULSE_PRODUCE__STATE_PATH: the saved cursor {cursor[:100]!r} is not a Mastodon cursor: "
            "delete its file to start without it"
        ) from None
    return {
        key: ReadPosition(position.id, position.at.replace(tzinfo=position.at.tzinfo or UTC))
        for key, position in positions.items()
    }
