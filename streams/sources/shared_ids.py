"""Detects different posts that share an id: sinks keep only one of them, so that the others are lost silently."""

from __future__ import annotations

import sys

from streams.contracts import Post
from streams.sources.recently_seen import RecentlySeen


class SharedIds:
    """Detects posts with the id of an earlier, different post, e.g. because a spreadsheet rounded the ids of a table.

    A post that is read again, e.g. after a restart, and an edit of a post do not count.
    """

    def __init__(self, limit: int = sys.maxsize) -> None:
        """Set the memory for earlier ids, in bytes: a post takes about 220, and the oldest are dropped first."""
        self._texts = RecentlySeen[int, int](limit)
        """Hash of the author and text of a post, by the hash of its source and id."""

    def add(self, post: Post) -> bool:
        """Add a post, and return whether an earlier post with another author or text had its id."""
        if post.edited_at is not None:
            return False
        name, text = hash((post.source, post.id)), hash((post.author, post.text))
        before = self._texts.get(name)
        self._texts.add(name, text)
        return before is not None and before != text
