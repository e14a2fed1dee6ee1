"""Converts the events of Mastodon's hashtag streams to Posts and Deletions.

A post has a different id on every instance but the same URI everywhere, which identifies it for edits and deletions.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from streams import metrics
from streams.contracts import Deletion, Engagement, Post, find_hashtags, normalise_hashtags
from streams.contracts.repair import decode_json
from streams.sources.base import MAX_FRAME_BYTES, Content, Unreadable, oversize
from streams.sources.html import read_html
from streams.sources.live import PostTimes
from streams.sources.recently_seen import RecentlySeen
from streams.sources.tags import Tags
from streams.sources.untyped import count, dicts, mapping, string, time
from streams.sources.wire import Event, parse_event_frame

SOURCE = "mastodon"
UPDATE = "update"
EDIT = "status.update"
DELETE = "delete"

_OPEN = ("public", "unlisted")
_REMEMBERED_BYTES = 32 * 2**20
_ERROR_CHARACTERS = 300
_NEVER = datetime.min.replace(tzinfo=UTC)
_MEDIA = {"image": "image", "video": "video", "gifv": "video", "audio": "audio"}

_MAX_ID = 100  # characters

LocalId = Annotated[str, msgspec.Meta(min_length=1, max_length=_MAX_ID)]
"""Id of a post on one instance."""


class _Account(msgspec.Struct, frozen=True):
    acct: str = ""


class _Status(msgspec.Struct):
    """A status; only the types of indispensable fields are validated, the others are checked later."""

    id: LocalId
    uri: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    content: str = ""
    visibility: str = ""
    account: _Account = _Account()
    spoiler_text: Any = None
    created_at: Any = None
    edited_at: Any = None
    url: Any = None
    language: Any = None
    tags: Any = None
    media_attachments: Any = None
    card: Any = None
    poll: Any = None
    quote: Any = None
    in_reply_to_id: Any = None
    favourites_count: Any = None
    reblogs_count: Any = None
    replies_count: Any = None
    reblog: _Status | None = None


_STATUS: msgspec.json.Decoder[_Status] = msgspec.json.Decoder(_Status)


class MastodonParser:
    """Parses the frames of any number of instances; a post that several of them send is returned once."""

    def __init__(self, tags: Tags, times: PostTimes | None = None) -> None:
        self._tags = tags
        self._times = times or PostTimes()
        self._versions = RecentlySeen[str, datetime](_REMEMBERED_BYTES)
        """Time of the newest version that was passed on, by URI."""
        self._uris = RecentlySeen[tuple[str, str], str](_REMEMBERED_BYTES)
        """URIs by instance and local id."""
        self._deleted = RecentlySeen[str, None](_REMEMBERED_BYTES)
        self._deleted_early = RecentlySeen[tuple[str, str], None](_REMEMBERED_BYTES)
        """Posts, by instance and local id, that were deleted before they arrived."""
        self._filtered = metrics.FILTERED.labels(SOURCE)
        self._repeated = metrics.FRAMES_REPEATED.labels(SOURCE)

    def read(self, frame: bytes, origin: str, now: datetime) -> list[Content]:
        """Return the contents of an event; see `Parser.read`.

        Args:
            frame: A server-sent event as sent over the wire.
            origin: Domain of the instance.
            now: Time at which the event arrived.
        """
        if len(frame) > MAX_FRAME_BYTES:
            return [oversize(origin, 0, frame)]
        event = parse_event_frame(frame)
        if not isinstance(event, Event):
            return [Unreadable(origin, 0, frame, "malformed", "not a server-sent event")]
        name, data = event
        if name == DELETE:
            local_id = data.decode("utf-8", "replace").strip()
            if not 0 < len(local_id) <= _MAX_ID:
                return [Unreadable(origin, 0, frame, "invalid", f"a deletion with an id of {len(local_id)} characters")]
            return self._delete(local_id, origin, now)
        if name not in (UPDATE, EDIT):
            self._filtered.inc()
            return []
        try:
            status = decode_json(_STATUS, data)
        except msgspec.ValidationError as error:
            return [Unreadable(origin, 0, frame, "invalid", str(error)[:_ERROR_CHARACTERS])]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return [Unreadable(origin, 0, frame, "malformed", str(error)[:_ERROR_CHARACTERS])]
        return self._ingest(status, origin, now)

    def learn(self, data: bytes, origin: str) -> None:
        """Remember a status that an earlier run has read, so that its edits and its deletion are recognised."""
        if len(data) > MAX_FRAME_BYTES:
            return
        try:
            status = decode_json(_STATUS, data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        self._uris.add((origin, status.id), status.uri)
        if status.visibility in _OPEN and status.uri not in self._versions:
            self._versions.add(status.uri, time(status.edited_at) or _NEVER)

    def _ingest(self, status: _Status, origin: str, now: datetime) -> list[Content]:
        uri, key = status.uri, (origin, status.id)
        self._uris.add(key, uri)
        if uri in self._deleted:
            self._filtered.inc()
            return []
        if key in self._deleted_early:
            return self._remove(uri, now)
        if status.visibility not in _OPEN or (status.reblog and status.reblog.visibility not in _OPEN):
            self._filtered.inc()
            return []
        edited_at = time(status.edited_at)
        last = self._versions.get(uri)
        if last is not None and (edited_at or _NEVER) <= last:
            self._repeated.inc()
            return []
        # versions keep the time that the author claims, so that an edit is recognised when another instance sends it
        seen_at = self._times.believed(edited_at, now)
        post = self._post(status, origin, seen_at if edited_at else None, now)
        if not self._tags.match(post.hashtags):
            self._filtered.inc()
            # an edit removed the hashtag: the post has left the campaign
            return [] if last is None else [Deletion(source=SOURCE, id=uri, deleted_at=seen_at)]
        self._versions.add(uri, edited_at or _NEVER)
        return [post]

    def _delete(self, local_id: str, origin: str, now: datetime) -> list[Content]:
        uri = self._uris.get((origin, local_id))
        if uri is None:
            self._deleted_early.add((origin, local_id), None)
            self._filtered.inc()
            return []
        return self._remove(uri, now)

    def _remove(self, uri: str, now: datetime) -> list[Content]:
        known = uri in self._versions
        if uri in self._deleted:
            self._repeated.inc()
            return []
        self._deleted.add(uri, None)
        if not known:
            self._filtered.inc()
            return []
        return [Deletion(source=SOURCE, id=uri, deleted_at=now)]

    def _post(self, status: _Status, origin: str, edited_at: datetime | None, now: datetime) -> Post:
        written = status.reblog or status
        text = _text(written)
        when = self._times.written(time(status.created_at), now)
        return Post(
            source=SOURCE,
            id=status.uri,
            text=text,
            created_at=when.created_at,
            created_at_is_estimate=when.is_estimate,
            author_created_at=when.author_created_at,
            author=_author(status.account.acct, origin),
            hashtags=normalise_hashtags([*_tag_names(written.tags), *find_hashtags(text)]),
            language_hint=string(written.language) or None,
            media=tuple(dict.fromkeys(_media(written))),
            reply_to=self._reply_to(status.in_reply_to_id, origin),
            repost_of=status.reblog.uri if status.reblog else None,
            engagement=Engagement(
                likes=count(status.favourites_count),
                reposts=count(status.reblogs_count),
                replies=count(status.replies_count),
            ),
            url=string(status.url) or None,
            edited_at=edited_at,
            collected_at=now,
        )

    def _reply_to(self, local_id: object, origin: str) -> str | None:
        """Return the URI of the post that is replied to or, if it is unknown, its id on the instance."""
        if not isinstance(local_id, str) or not local_id:
            return None
        return self._uris.get((origin, local_id)) or f"{origin}/{local_id}"


def _author(acct: str, origin: str) -> str:
    """Return `name@instance`, also for the instance's own accounts, which it gives by name only."""
    return acct if "@" in acct or not acct else f"{acct}@{origin}"


def _text(status: _Status) -> str:
    """Return the text that a person reads: the content warning, the text and the options of the poll."""
    options = (f"- {string(option.get('title'))}" for option in dicts(mapping(status.poll).get("options")))
    parts = [string(status.spoiler_text).strip(), read_html(status.content), "\n".join(options)]
    return "\n\n".join(part for part in parts if part)


def _tag_names(tags: object) -> Iterator[str]:
    return (string(tag.get("name")) for tag in dicts(tags))


def _media(status: _Status) -> Iterator[str]:
    for attachment in dicts(status.media_attachments):
        kind = string(attachment.get("type"))
        if kind in _MEDIA:
            yield _MEDIA[kind]
    if mapping(status.poll):
        yield "poll"
    if mapping(status.quote):
        yield "quote"
    if mapping(status.card):
        yield "link"
