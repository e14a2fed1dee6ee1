"""Matching of frames and posts against the tracked hashtags."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache
from itertools import chain

from streams.contracts import normalise_hashtags
from streams.contracts.unicode import nfkc, visible
from streams.sources.base import MAX_FRAME_BYTES

_WIDE_SIGN = "＃".encode()
_NOT_HASHTAGS = (b"facet#link", b"facet#mention")
_MAX_SEARCHED = 64 * 1024
"""Larger frames are decoded without a search: no post is that large, and folding hostile text may be slow."""
_BEYOND_ASCII = 0x80
_ASCII = bytes(range(_BEYOND_ASCII))
_TO_FOLD = (range(_BEYOND_ASCII, 0x20000), range(0xE0000, 0xE1000))


class Tags:
    """The tracked hashtags; if there are none, every post with a hashtag matches."""

    def __init__(self, tags: Collection[str]) -> None:
        self._tags = frozenset(normalise_hashtags(list(tags)))
        self._needles = tuple(_fold(tag) for tag in self._tags)
        self._ascii = tuple(needle.encode() for needle in self._needles if needle.isascii())
        self._only_ascii = len(self._ascii) == len(self._needles)

    def may_stand_in(self, frame: bytes) -> bool:
        """Return False only if the frame cannot contain a tracked hashtag, however it is written."""
        if not self._tags:
            return _has_sign(frame)
        if _MAX_SEARCHED < len(frame) <= MAX_FRAME_BYTES:
            return True
        lower = frame.lower()
        if len(frame) > MAX_FRAME_BYTES:
            # never decoded, and worth a dead letter only if the tag is written plainly
            return any(needle.encode() in lower for needle in self._needles) and _has_sign(frame)
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
        """Return whether any of a post's normalised hashtags is tracked."""
        return not self._tags.isdisjoint(hashtags) if self._tags else any(hashtags)


def _has_sign(frame: bytes) -> bool:
    """Return whether a frame marks a hashtag; the `#` in the type names of Bluesky's links and mentions is not one."""
    signs = frame.count(b"#")
    if signs and signs > sum(map(frame.count, _NOT_HASHTAGS)):
        return True
    return b'"tags"' in frame or _WIDE_SIGN in frame


@cache
def _letters_of_ascii() -> frozenset[str]:
    """Return the non-ASCII characters that `_fold` removes or turns into text with ASCII in it (`ｐ`, `ﬁ`, `™`)."""
    folded = ((char, _fold(char)) for char in map(chr, chain(*_TO_FOLD)))
    return frozenset(char for char, others in folded if not others or any(map(str.isascii, others)))


def _fold(text: str) -> str:
    """Fold text as `normalise_hashtags` does, but without final sigmas, which depend on the text that follows."""
    return nfkc(visible(text)).lower().replace("ς", "σ")
