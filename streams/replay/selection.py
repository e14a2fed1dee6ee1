"""Which messages a replay takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from streams.contracts import Deletion, Post, decode_raw
from streams.errors import BadMessage
from streams.runtime.lossless import Record


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What is chosen; what is empty or None chooses nothing away.

    Times are those of the records: a post's own, but never later than its collection.
    """

    since: datetime | None = None
    until: datetime | None = None
    """The first moment that no longer belongs to it."""
    hashtags: frozenset[str] = frozenset()
    """As `normalise_hashtags` writes them."""
    sources: frozenset[str] = frozenset()
    offsets: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """First and last offset by partition; with any, the other partitions are left out."""

    @property
    def by_content(self) -> bool:
        """It takes reading a message to know whether it is chosen."""
        return bool(self.hashtags or self.sources)

    @property
    def since_ms(self) -> int | None:
        return None if self.since is None else int(self.since.timestamp() * 1000)

    @property
    def until_ms(self) -> int | None:
        return None if self.until is None else int(self.until.timestamp() * 1000)


class Selector:
    """Tells which items are chosen; remembers the posts that were, so that their deletions go with them."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._since, self._until = selection.since_ms, selection.until_ms
        self._posts: set[tuple[str, str]] = set()
        self.unreadable = 0
        """Records that could not be read, and so not be chosen by hashtag or source."""

    def chooses(self, item: Record) -> bool:
        chosen = self._selection
        if chosen.offsets:
            first, last = chosen.offsets.get(item.partition, (1, 0))
            if not first <= item.offset <= last:
                return False
        if self._since is not None and item.timestamp_ms < self._since:
            return False
        if self._until is not None and item.timestamp_ms >= self._until:
            return False
        return not chosen.by_content or self._chooses_content(item)

    def _chooses_content(self, item: Record) -> bool:
        try:
            message = decode_raw(item.value, item.headers)
        except BadMessage:
            self.unreadable += 1
            return False
        sources, hashtags = self._selection.sources, self._selection.hashtags
        if sources and message.source not in sources:
            return False
        if isinstance(message, Deletion):
            return not hashtags or (message.source, message.id) in self._posts
        if hashtags and hashtags.isdisjoint(message.hashtags):
            # an edit can take the hashtag away: it still belongs to the post
            return (message.source, message.id) in self._posts
        if hashtags:
            self._posts.add((message.source, message.id))
        return True


def hashtags_of(value: bytes | None) -> tuple[str, ...]:
    """The hashtags of a message; none of one that is a deletion or cannot be read."""
    try:
        message = decode_raw(value)
    except BadMessage:
        return ()
    return message.hashtags if isinstance(message, Post) else ()
