"""The selection of messages for a replay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from streams.contracts import Deletion, Post, decode_raw
from streams.errors import BadMessage
from streams.runtime.lossless import Record


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Criteria for messages; an empty one or None selects all.

    Times are record times: the time of the post, but not later than its collection.
    """

    since: datetime | None = None
    until: datetime | None = None
    """End time (exclusive)."""
    hashtags: frozenset[str] = frozenset()
    """Hashtags as normalised by `normalise_hashtags`."""
    sources: frozenset[str] = frozenset()
    offsets: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """First and last offset by partition; unless empty, the other partitions are left out."""

    @property
    def by_content(self) -> bool:
        """Whether messages must be decoded to decide."""
        return bool(self.hashtags or self.sources)

    @property
    def since_ms(self) -> int | None:
        return None if self.since is None else int(self.since.timestamp() * 1000)

    @property
    def until_ms(self) -> int | None:
        return None if self.until is None else int(self.until.timestamp() * 1000)


class Selector:
    """Selects items, and remembers the selected posts so that their edits and deletions are selected too."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._since, self._until = selection.since_ms, selection.until_ms
        self._posts: set[tuple[str, str]] = set()
        self.unreadable = 0
        """Number of records that could not be decoded, and so not be selected by hashtag or source."""

    def chooses(self, item: Record) -> bool:
        selection = self._selection
        if selection.offsets:
            first, last = selection.offsets.get(item.partition, (1, 0))
            if not first <= item.offset <= last:
                return False
        if self._since is not None and item.timestamp_ms < self._since:
            return False
        if self._until is not None and item.timestamp_ms >= self._until:
            return False
        return not selection.by_content or self._chooses_content(item)

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
            # an edit that removes the hashtag still belongs to the post
            return (message.source, message.id) in self._posts
        if hashtags:
            self._posts.add((message.source, message.id))
        return True


def hashtags_of(value: bytes | None) -> tuple[str, ...]:
    """Return the hashtags of a message; none if it is a deletion or cannot be decoded."""
    try:
        message = decode_raw(value)
    except BadMessage:
        return ()
    return message.hashtags if isinstance(message, Post) else ()
