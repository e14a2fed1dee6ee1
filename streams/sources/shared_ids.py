"""Posts that share an id though they are not the same: of them every sink keeps one, and nobody would know."""

from __future__ import annotations

import sys

from streams.contracts import Post
from streams.sources.recently_seen import RecentlySeen


class SharedIds:
    """Finds posts whose id another post had before, as after a spreadsheet has rounded the ids of a table.

    The same post again, as after a restart, and the edits of a post are none of these.
    """

    def __init__(self, limit: int = sys.maxsize) -> None:
        """`limit`: memory for earlier ids, in bytes; a post takes about 220, and the oldest are dropped first."""
        self._texts = RecentlySeen[int, int](limit)
        """What a post says, by its id: hashes of both."""

    def add(self, post: Post) -> bool:
        """Takes the next post; whether another one, of another author or text, had its id."""
        if post.edited_at is not None:
            return False
        name, text = hash((post.source, post.id)), hash((post.author, post.text))
        before = self._texts.get(name)
        self._texts.add(name, text)
        return before is not None and before != text
