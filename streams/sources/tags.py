"""The hashtags that are listened to."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable

from streams.contracts import normalise_hashtags

_WIDE_SIGN = "＃".encode()


class Tags:
    """The hashtags that are listened to; none: every post with a hashtag."""

    def __init__(self, tags: Collection[str]) -> None:
        self._tags = frozenset(normalise_hashtags(list(tags)))
        self._needles = tuple(_fold(tag) for tag in self._tags)
        self._ascii = tuple(needle.encode() for needle in self._needles if needle.isascii())

    def may_stand_in(self, frame: bytes) -> bool:
        """False only when no hashtag that is listened to can be in there, however it is written."""
        if b"#" not in frame and _WIDE_SIGN not in frame and b'"tags"' not in frame:
            return False
        if not self._tags:
            return True
        lower = frame.lower()
        if any(needle in lower for needle in self._ascii):
            return True
        if frame.isascii():
            return False
        text = _fold(frame.decode("utf-8", "replace"))
        return any(needle in text for needle in self._needles)

    def match(self, hashtags: Iterable[str]) -> bool:
        return not self._tags.isdisjoint(hashtags) if self._tags else any(hashtags)


def _fold(text: str) -> str:
    """As `normalise_hashtags` writes tags; the final sigma depends on what follows, so there is none."""
    return unicodedata.normalize("NFKC", text).lower().replace("ς", "σ")
