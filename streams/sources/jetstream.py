"""Frames of Bluesky's Jetstream become Posts and Deletions.

The server cannot filter by hashtag, so nearly every frame is refused: that is decided on the bytes wherever it can be.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec

from streams.contracts import Deletion, Post, find_hashtags, normalise_hashtags
from streams.sources.base import Unreadable
from streams.sources.times import parse_time

SOURCE = "bluesky"
COLLECTION = "app.bsky.feed.post"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_TIME_US = 253_402_300_799_000_000  # the end of the year 9999
_TIME_KEY = b'"time_us":'
_TIME_KEY_WITHIN = 400  # it stands before everything that an author wrote
_TAG_SIGNS = (b"#", "＃".encode(), b'"tags"')
_ALWAYS_READ = (b'"delete"', b'"update"', b'"error"', b"\\u")
_ERROR_CHARACTERS = 300
_MEDIA = {"images": "image", "video": "video", "external": "link"}
_TAG_FEATURE = "app.bsky.richtext.facet#tag"


class _Record(msgspec.Struct):
    """Written by the author's client: only the text is taken at its word."""

    text: str = ""
    createdAt: Any = None  # noqa: N815
    langs: Any = None
    facets: Any = None
    tags: Any = None
    reply: Any = None
    embed: Any = None


class _Commit(msgspec.Struct):
    operation: str
    collection: str
    rkey: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    rev: str = ""
    record: _Record | None = None


class _Frame(msgspec.Struct):
    kind: str = ""
    did: Annotated[str, msgspec.Meta(max_length=300)] = ""
    time_us: Annotated[int, msgspec.Meta(ge=0, le=_MAX_TIME_US)] = 0
    commit: _Commit | None = None
    error: str = ""
    message: str = ""


_FRAME: msgspec.json.Decoder[_Frame] = msgspec.json.Decoder(_Frame)


class ServerError(Exception):
    """The server says why it ends the connection."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}" if message else name)
        self.name = name


class Tags:
    """The hashtags that are listened to; none: every post with a hashtag."""

    def __init__(self, tags: Collection[str]) -> None:
        self._tags = frozenset(normalise_hashtags(list(tags)))
        self._needles = tuple(_fold(tag) for tag in self._tags)
        self._ascii = tuple(needle.encode() for needle in self._needles if needle.isascii())

    def may_stand_in(self, frame: bytes) -> bool:
        """False only when no hashtag that is listened to can be in there, however it is written."""
        if not any(sign in frame for sign in _TAG_SIGNS):
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


def time_of(frame: bytes) -> int:
    """The frame's time in microseconds, which is also its cursor; 0 when it is not found."""
    begin = frame.find(_TIME_KEY, 0, _TIME_KEY_WITHIN)
    digits = frame[begin + len(_TIME_KEY) : begin + len(_TIME_KEY) + 18].split(b",")[0].strip() if begin >= 0 else b""
    time = int(digits) if digits.isdigit() else 0
    return time if time <= _MAX_TIME_US else 0


def parse(frame: bytes, tags: Tags, now: Callable[[], datetime]) -> tuple[Post | Deletion | Unreadable | None, str]:
    """Reads a frame: what it holds for us (None: nothing), and what tells its repetition from a new one.

    Every deletion of a post is passed on: it carries no hashtags, and which posts went on before (in earlier runs, or by
    other processes) is known downstream alone. The cost is a few short records a second; what they delete is mostly
    unknown there. An edit that takes the hashtag away comes as a Deletion too: the post left the campaign.

    Raises ServerError when the server speaks of itself.
    """
    if not (any(mark in frame for mark in _ALWAYS_READ) or tags.may_stand_in(frame)):
        # not JSON at all is worth a second look
        return (
            (None, "")
            if frame.startswith(b"{") and frame.endswith((b"}", b"}\n"))
            else (_malformed(frame, "no JSON object"), "")
        )
    try:
        read = _FRAME.decode(frame)
    except msgspec.ValidationError as error:
        return _invalid(frame, str(error)), ""
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _malformed(frame, str(error)), ""
    if read.error and not read.kind:
        raise ServerError(read.error, read.message)
    commit = read.commit
    if commit is None or commit.collection != COLLECTION:
        return None, ""
    if not read.did or not read.time_us:
        return _invalid(frame, "a commit without did or time_us"), ""
    post_id = f"{read.did}/{commit.rkey}"
    at = _EPOCH + timedelta(microseconds=read.time_us)
    signature = f"{post_id} {commit.rev or read.time_us} {commit.operation}"
    if commit.operation == "delete":
        return Deletion(source=SOURCE, id=post_id, deleted_at=at), signature
    if commit.operation not in ("create", "update") or commit.record is None:
        return _invalid(frame, f"{commit.operation[:40]!r} without a record"), ""
    edited_at = at if commit.operation == "update" else None
    post = _post(commit.record, read.did, commit.rkey, edited_at, now())
    if tags.match(post.hashtags):
        return post, signature
    return (Deletion(source=SOURCE, id=post_id, deleted_at=at) if edited_at else None), signature


def _post(record: _Record, did: str, rkey: str, edited_at: datetime | None, now: datetime) -> Post:
    created_at = _time(record.createdAt)
    return Post(
        source=SOURCE,
        id=f"{did}/{rkey}",
        text=record.text,
        created_at=created_at or now,
        created_at_is_estimate=created_at is None,
        author=did,
        hashtags=normalise_hashtags([*_tags(record), *find_hashtags(record.text)]),
        language_hint=next(filter(None, _strings(record.langs)), None),
        media=tuple(_media(record.embed)),
        reply_to=_reply_to(record.reply),
        url=f"https://bsky.app/profile/{did}/post/{rkey}",
        edited_at=edited_at,
        collected_at=now,
    )


def _time(value: object) -> datetime | None:
    try:
        return parse_time(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None


def _tags(record: _Record) -> Iterator[str]:
    yield from _strings(record.tags)
    for facet in _dicts(record.facets):
        for feature in _dicts(facet.get("features")):
            if feature.get("$type") == _TAG_FEATURE:
                yield from _strings([feature.get("tag")])


def _media(embed: object) -> Iterator[str]:
    for part in _dicts([embed]):
        kind = part.get("$type")
        name = kind.removeprefix("app.bsky.embed.") if isinstance(kind, str) else ""
        if name in _MEDIA:
            yield _MEDIA[name]
        elif name == "recordWithMedia":
            yield from _media(part.get("media"))


def _reply_to(reply: object) -> str | None:
    """The id of the post that is answered, from `at://DID/COLLECTION/RKEY`."""
    for part in _dicts([reply]):
        for parent in _dicts([part.get("parent")]):
            uri = parent.get("uri")
            pieces = uri.removeprefix("at://").split("/") if isinstance(uri, str) else []
            if len(pieces) == 3:
                return f"{pieces[0]}/{pieces[2]}"
    return None


def _dicts(values: object) -> Iterator[dict[str, Any]]:
    return (value for value in values if isinstance(value, dict)) if isinstance(values, list) else iter(())


def _strings(values: object) -> Iterator[str]:
    return (value for value in values if isinstance(value, str)) if isinstance(values, list) else iter(())


def _invalid(frame: bytes, error: str) -> Unreadable:
    return Unreadable(SOURCE, time_of(frame), frame, "invalid", error[:_ERROR_CHARACTERS])


def _malformed(frame: bytes, error: str) -> Unreadable:
    return Unreadable(SOURCE, time_of(frame), frame, "malformed", error[:_ERROR_CHARACTERS])
