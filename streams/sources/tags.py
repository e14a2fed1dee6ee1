"""The hashtags that are listened to."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable
from functools import cache

from streams.contracts import normalise_hashtags

_WIDE_SIGN = "＃".encode()
_NO_HASHTAG = (b"facet#link", b"facet#mention")
_BEYOND_ASCII, _LAST_TO_FOLD = 0x80, 0x20000
_ASCII = bytes(range(_BEYOND_ASCII))


class Tags:
    """The hashtags that are listened to; none: every post with a hashtag."""

    def __init__(self, tags: Collection[str]) -> None:
        self._tags = frozenset(normalise_hashtags(list(tags)))
        self._needles = tuple(_fold(tag) for tag in self._tags)
        self._ascii = tuple(needle.encode() for needle in self._needles if needle.isascii())
        self._only_ascii = len(self._ascii) == len(self._needles)

    def may_stand_in(self, frame: bytes) -> bool:
        """False only when no hashtag that is listened to can be in there, however it is written."""
        if not self._tags:
            return _has_sign(frame)
        lower = frame.lower()
        if any(needle in lower for needle in self._ascii):
            return _has_sign(frame)
        if frame.isascii():
            return False
        if self._only_ascii and _letters_of_ascii().isdisjoint(
            frame.translate(None, _ASCII).decode("utf-8", "replace")
        ):
            return False
        text = _fold(frame.decode("utf-8", "replace"))
        return any(needle in text for needle in self._needles)

    def match(self, hashtags: Iterable[str]) -> bool:
        return not self._tags.isdisjoint(hashtags) if self._tags else any(hashtags)


def _has_sign(frame: bytes) -> bool:
    """Whether something marks a hashtag; links and mentions of Bluesky hold the sign in the names of their types."""
    signs = frame.count(b"#")
    if signs and signs > sum(map(frame.count, _NO_HASHTAG)):
        return True
    return b'"tags"' in frame or _WIDE_SIGN in frame


@cache
def _letters_of_ascii() -> frozenset[str]:
    """The characters beyond ASCII that `_fold` turns into such as hold one of ASCII (`ｐ`, `ﬁ`, `™`)."""
    return frozenset(
        char for char in map(chr, range(_BEYOND_ASCII, _LAST_TO_FOLD)) if any(map(str.isascii, _fold(char)))
    )


def _fold(text: str) -> str:
    """As `normalise_hashtags` writes tags; the final sigma depends on what follows, so there is none."""
    return unicodedata.normalize("NFKC", text).lower().replace("ς", "σ")
