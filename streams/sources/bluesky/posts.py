"""Converts Jetstream frames to Posts and Deletions.

The server cannot filter by hashtag, so nearly every frame is discarded, without decoding it where possible.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import islice

import msgspec

from streams import metrics
from streams.contracts import Deletion, Engagement, Post, find_hashtags, normalise_hashtags
from streams.sources.base import Content, Unreadable
from streams.sources.bluesky.jetstream import (
    POSTS,
    REPOSTS,
    SOURCE,
    AccountRemoved,
    Commit,
    CommitRecord,
    decode,
    invalid,
    malformed,
)
from streams.sources.live import PostTime, PostTimes
from streams.sources.recently_seen import RecentlySeen
from streams.sources.tags import Tags
from streams.sources.untyped import dicts, mapping, string, strings, time

_OPERATION = b'"operation":"'
_OPERATION_WITHIN = 1_000
"""The server's operation comes before the record, which the author controls: only the first match counts."""
_ESCAPED_LETTER = re.compile(rb"\\u(?!003[ce]|0026)", re.IGNORECASE)
"""Any escape but those of `<`, `>` and `&`, which servers write in many links and no hashtag contains."""
_REPOST_MARK = REPOSTS.encode()
_SUBJECT = re.compile(rb"at://(did:[^/\"\s]{1,290})/app\.bsky\.feed\.post/([^/\"\s]{1,512})")
_MEDIA = {"images": "image", "video": "video", "external": "link", "record": "quote"}
_TAG_FEATURE = "app.bsky.richtext.facet#tag"
NOT_FOR_US = {"!no-unauthenticated", "porn", "sexual", "nudity", "graphic-media", "gore"}
"""Labels with which authors restrict their own posts to people who are signed in, or to adults."""

_MOST_LANGUAGES = 3
"""Maximum number of languages of a post, as in the network's schema."""

_REMEMBERED_BYTES = 16 * 2**20
_KEPT_BYTES = 64 * 2**20
_REMEMBERED_REPOSTS = 1_000  # of one post; they are deleted together with it


class JetstreamParser:
    """Parses the frames of a feed and leaves out repeated ones.

    Every deletion of a post is passed on: it carries no hashtags, and only downstream is it known which posts were
    passed on before (in earlier runs, or by other processes). This costs a few short records a second, most of which
    delete posts that are unknown there. An edit that removes the hashtag or adds a hiding label becomes a Deletion too:
    the post has left the campaign. If an account is deleted or taken down, its recently kept posts are deleted. Reposts
    carry no hashtag either: reposts of recently kept posts are kept, with the text of the original.
    """

    def __init__(self, tags: Tags, *, reposts: bool = True, times: PostTimes | None = None) -> None:
        self._tags = tags
        self._times = times or PostTimes()
        self._wants_reposts = reposts
        self._recent = RecentlySeen[str, None](_REMEMBERED_BYTES)
        self._kept = RecentlySeen[str, Post](_KEPT_BYTES)
        self._gone = RecentlySeen[str, datetime](_REMEMBERED_BYTES)
        """Deletion time of each post."""
        self._reposts = RecentlySeen[str, str](_REMEMBERED_BYTES)
        """The original post of each repost."""
        self._reposts_of = RecentlySeen[str, list[str]](_REMEMBERED_BYTES)
        self._filtered = metrics.FILTERED.labels(SOURCE)
        self._repeated = metrics.FRAMES_REPEATED.labels(SOURCE)

    def read(self, frame: bytes, origin: str, now: datetime) -> list[Content]:
        """Return the contents of one WebSocket message, in either version of the protocol; see `Parser.read`."""
        if not self._may_matter(frame):
            # frames that are not JSON at all are reported
            if not (frame.startswith(b"{") and frame.endswith((b"}", b"}\n"))):
                return [malformed(frame, "not a JSON object")]
            self._filtered.inc()
            return []
        commit = decode(frame)
        if isinstance(commit, Unreadable):
            return [commit]
        if isinstance(commit, AccountRemoved):
            removed = self.forget(commit._replace(at=min(commit.at, now)))
            if not removed:
                self._filtered.inc()
            return removed
        if commit is None or commit.collection not in (POSTS, REPOSTS):
            self._filtered.inc()
            return []
        commit = commit._replace(at=min(commit.at, now))
        signature = f"{commit.did}/{commit.collection}/{commit.rkey} {commit.rev} {commit.operation}"
        if signature in self._recent:
            self._repeated.inc()
            return []
        contents = self._repost(commit, now) if commit.collection == REPOSTS else self._post(commit, frame, now)
        if not contents:
            self._filtered.inc()
        elif not isinstance(contents[0], Unreadable):
            self._recent.add(signature, None)
        return contents

    def _may_matter(self, frame: bytes) -> bool:
        # optimised for speed: nearly every frame of the network ends here
        begin = frame.find(_OPERATION, 0, _OPERATION_WITHIN)
        if begin < 0 or not frame.startswith(b'create"', begin + len(_OPERATION)):
            return True
        if b"\\" in frame and _ESCAPED_LETTER.search(frame):
            return True
        if _REPOST_MARK in frame:
            subject = _SUBJECT.search(frame) if self._wants_reposts else None
            return (
                subject is not None
                and f"{subject[1].decode('ascii', 'replace')}/{subject[2].decode('ascii', 'replace')}" in self._kept
            )
        return self._tags.may_stand_in(frame)

    def _post(self, commit: Commit, frame: bytes, now: datetime) -> list[Content]:
        post_id = f"{commit.did}/{commit.rkey}"
        if commit.operation == "delete":
            return self._remove(post_id, commit.at)
        if commit.operation not in ("create", "update") or commit.record is None:
            return [invalid(frame, f"{commit.operation[:40]!r} without a record")]
        gone_at = self._gone.get(post_id)
        if gone_at is not None and commit.at <= gone_at:
            return []
        edited_at = commit.at if commit.operation == "update" else None
        written = self._times.written(time(commit.record.createdAt), commit.at)
        post = _post(commit.record, commit.did, commit.rkey, written, edited_at, now)
        if self._tags.match(post.hashtags) and not _is_labelled(commit.record):
            self._kept.add(post_id, post)
            return [post]
        return self._remove(post_id, commit.at) if edited_at else []

    def _remove(self, post_id: str, at: datetime) -> list[Content]:
        """Return the Deletions of a post and of the reposts that contain its text."""
        self._gone.add(post_id, at)
        reposts = self._reposts_of.get(post_id) or []
        return [Deletion(source=SOURCE, id=gone, deleted_at=at) for gone in [post_id, *reposts]]

    def forget(self, gone: AccountRemoved) -> list[Content]:
        """Return Deletions of all recently kept posts and reposts of an account."""
        mine = f"{gone.did}/"
        removed = [removal for kept in self._kept if kept.startswith(mine) for removal in self._remove(kept, gone.at)]
        for repost in self._reposts:
            if repost.startswith(mine):
                removed.append(Deletion(source=SOURCE, id=repost, deleted_at=gone.at))
        return removed

    def _repost(self, commit: Commit, now: datetime) -> list[Content]:
        repost_id = f"{commit.did}/repost/{commit.rkey}"
        if commit.operation == "delete":
            known = self._reposts.get(repost_id) is not None
            return [Deletion(source=SOURCE, id=repost_id, deleted_at=commit.at)] if known else []
        subject = string(mapping(commit.record.subject if commit.record else None).get("uri"))
        original = self._kept.get(_post_id(subject) or "")
        if original is None or not self._wants_reposts:
            return []
        siblings = self._reposts_of.get(original.id) or []
        self._reposts_of.add(original.id, [*siblings[-_REMEMBERED_REPOSTS + 1 :], repost_id])
        self._reposts.add(repost_id, original.id)
        written = self._times.written(time(commit.record.createdAt if commit.record else None), commit.at)
        return [
            msgspec.structs.replace(
                original,
                id=repost_id,
                author=commit.did,
                created_at=written.created_at,
                created_at_is_estimate=written.is_estimate,
                author_created_at=written.author_created_at,
                repost_of=original.id,
                reply_to=None,
                engagement=Engagement(),
                edited_at=None,
                collected_at=now,
            )
        ]


def _post(
    record: CommitRecord, did: str, rkey: str, written: PostTime, edited_at: datetime | None, now: datetime
) -> Post:
    return Post(
        source=SOURCE,
        id=f"{did}/{rkey}",
        text=record.text,
        created_at=written.created_at,
        created_at_is_estimate=written.is_estimate,
        author_created_at=written.author_created_at,
        author=did,
        hashtags=normalise_hashtags([*_hashtags(record), *find_hashtags(record.text)]),
        language_hint=",".join(filter(None, islice(strings(record.langs), _MOST_LANGUAGES))) or None,
        media=tuple(dict.fromkeys(_media(record.embed))),
        reply_to=_post_id(string(mapping(mapping(record.reply).get("parent")).get("uri"))),
        url=f"https://bsky.app/profile/{did}/post/{rkey}",
        edited_at=edited_at,
        collected_at=now,
    )


def _hashtags(record: CommitRecord) -> Iterator[str]:
    yield from strings(record.tags)
    for facet in dicts(record.facets):
        for feature in dicts(facet.get("features")):
            if feature.get("$type") == _TAG_FEATURE:
                yield from strings([feature.get("tag")])


def _media(embed: object) -> Iterator[str]:
    part = mapping(embed)
    name = string(part.get("$type")).removeprefix("app.bsky.embed.")
    if name in _MEDIA:
        yield _MEDIA[name]
    elif name == "recordWithMedia":
        yield from _media(part.get("media"))
        yield "quote"


def _is_labelled(record: CommitRecord) -> bool:
    labels = dicts(mapping(record.labels).get("values"))
    return any(string(label.get("val")) in NOT_FOR_US for label in labels)


def _post_id(uri: str) -> str | None:
    """Return the id of the post at `at://DID/COLLECTION/RKEY`, or None for any other URI."""
    pieces = uri.removeprefix("at://").split("/")
    return f"{pieces[0]}/{pieces[2]}" if len(pieces) == 3 else None
