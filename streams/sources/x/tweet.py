"""Converts lines of X's filtered stream and compliance streams to Posts and Deletions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from html import unescape
from typing import Annotated, Any

import msgspec

from streams import metrics
from streams.contracts import Deletion, Engagement, Post, find_hashtags, normalise_hashtags
from streams.contracts.repair import decode_json
from streams.sources.base import MAX_FRAME_BYTES, Content, Unreadable, oversize
from streams.sources.live import PostTime, PostTimes
from streams.sources.recently_seen import RecentlySeen
from streams.sources.tags import Tags
from streams.sources.times import tweet_time
from streams.sources.untyped import count, dicts, mapping, string, strings, time

SOURCE = "x"

_REMEMBERED_BYTES = 64 * 2**20
_INDEX_BYTES = 24 * 2**20
_ERROR_CHARACTERS = 300
_MEDIA = {"photo": "image", "video": "video", "animated_gif": "video"}
_NO_LANGUAGE = ("und", "qam", "qct", "qht", "qme", "qst", "zxx")
_REMOVED_POSTS = ("delete", "drop")
_REMOVED_ACCOUNTS = ("user_delete", "user_suspend", "user_protect")
_MAX_POSTS_PER_KEY = 1_000  # posts of an account, or reposts of a post, which are deleted together with it

_MAX_ID = 20  # digits

TweetId = Annotated[str, msgspec.Meta(pattern=r"^[0-9]+$", max_length=_MAX_ID)]


class _Tweet(msgspec.Struct):
    """A post; only the types of indispensable fields are validated, the others are checked later."""

    id: TweetId
    text: str = ""
    author_id: Any = None
    created_at: Any = None
    lang: Any = None
    note_tweet: Any = None
    entities: Any = None
    public_metrics: Any = None
    referenced_tweets: Any = None
    attachments: Any = None
    edit_history_tweet_ids: Any = None
    in_reply_to_user_id: Any = None


class _Line(msgspec.Struct):
    data: _Tweet | None = None
    includes: Any = None
    errors: Any = None
    matching_rules: Any = None
    title: Any = None
    connection_issue: Any = None
    detail: Any = None


class _Compliance(msgspec.Struct):
    """A line whose data is not a post."""

    data: dict[str, dict[str, Any]]


_LINE: msgspec.json.Decoder[_Line] = msgspec.json.Decoder(_Line)
_COMPLIANCE: msgspec.json.Decoder[_Compliance] = msgspec.json.Decoder(_Compliance)


class StreamError(Exception):
    """The error with which X ends a stream."""

    def __init__(self, titles: str) -> None:
        super().__init__(titles)
        self.is_cap = "UsageCap" in titles or "usage-cap" in titles
        self.is_crowd = "TooManyConnections" in titles


class XParser:
    """Parses lines of the filtered stream and, if the plan includes them, of the compliance streams.

    The compliance streams carry the deletions of the whole network; only those of posts that were read here are passed
    on. A deleted post takes the reposts of its text with it, and a removed account its posts and their reposts.
    """

    def __init__(self, rule_tag: str | None = None, tags: Tags | None = None, times: PostTimes | None = None) -> None:
        """Create a parser that has not seen any posts yet.

        Args:
            rule_tag: Tag of our rules; posts that match none of them are left out. None accepts posts of any rule.
            tags: Posts with none of these hashtags are left out; for frames that were requested with other rules.
            times: Range of plausible post times.
        """
        self._rule_tag = rule_tag
        self._tags = tags
        self._times = times or PostTimes()
        self._newest = RecentlySeen[str, str](_REMEMBERED_BYTES)
        """Id of the newest version that was passed on of each post; every edit has its own id."""
        self._posts = RecentlySeen[str, str](_REMEMBERED_BYTES)
        """The post that each version belongs to."""
        self._reposts_of = RecentlySeen[str, list[str]](_INDEX_BYTES)
        self._posts_of = RecentlySeen[str, list[str]](_INDEX_BYTES)
        """Posts and reposts by the account that wrote them or their original."""
        self._removed = RecentlySeen[str, datetime](_INDEX_BYTES)
        """Deletion time of each post, even if the post has not arrived yet: the streams are not synchronised."""
        self._removed_accounts = RecentlySeen[str, datetime](_INDEX_BYTES)
        self._filtered = metrics.FILTERED.labels(SOURCE)
        self._repeated = metrics.FRAMES_REPEATED.labels(SOURCE)

    def read(self, frame: bytes, origin: str, now: datetime) -> list[Content]:
        """Return the contents of a line of a stream; see `Parser.read`."""
        if len(frame) > MAX_FRAME_BYTES:
            return [oversize(origin, 0, frame)]
        try:
            line = decode_json(_LINE, frame)
        except msgspec.ValidationError as error:
            events = _events(frame)
            if not events:
                return [Unreadable(origin, 0, frame, "invalid", str(error)[:_ERROR_CHARACTERS])]
            if any(len(name) > _MAX_ID for event in events.values() for name in _ids_in(event)):
                return [Unreadable(origin, 0, frame, "invalid", f"an id of more than {_MAX_ID} characters")]
            return self._apply_compliance(events, now)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return [Unreadable(origin, 0, frame, "malformed", str(error)[:_ERROR_CHARACTERS])]
        if line.data is None:
            if ended(frame) is None:
                return [Unreadable(origin, 0, frame, "invalid", "neither a post nor an error")]
            self._filtered.inc()
            return []
        rules = [string(rule.get("tag")) for rule in dicts(line.matching_rules)]
        if rules and self._rule_tag is not None and self._rule_tag not in rules:
            self._filtered.inc()
            return []
        return self._ingest(line.data, mapping(line.includes), now)

    def _ingest(self, tweet: _Tweet, includes: dict[str, Any], now: datetime) -> list[Content]:
        first = next(filter(str.isdigit, strings(tweet.edit_history_tweet_ids)), tweet.id)[:20]
        last = self._newest.get(first)
        if last is not None and int(tweet.id) <= int(last):
            self._repeated.inc()
            return []
        post = _post(tweet, first, includes, self._times, now)
        original = _original(post.repost_of or "", includes)
        accounts = [*filter(None, dict.fromkeys((_id(tweet.author_id), _id(original.get("author_id")))))]
        removed_at = self._removed_at(post, tweet.id, accounts)
        if (removed_at is not None and last is not None) or (self._tags and not self._tags.match(post.hashtags)):
            self._filtered.inc()
            return []
        self._newest.add(first, tweet.id)
        if removed_at is not None:  # an earlier run may have passed it on
            return [Deletion(source=SOURCE, id=first, deleted_at=removed_at)]
        self._posts.add(tweet.id, first)
        self._posts.add(first, first)
        if last is None:
            for account in accounts:
                _append(self._posts_of, account, first)
            if post.repost_of:
                _append(self._reposts_of, post.repost_of, first)
        return [post]

    def _removed_at(self, post: Post, version: str, accounts: list[str]) -> datetime | None:
        """Return when the post, its original or one of their authors was removed, or None if they were not.

        A post that was written after the removal of its author shows that the account is back.
        """
        for tweet_id in filter(None, (post.id, version, post.repost_of)):
            if (at := self._removed.get(tweet_id)) is not None:
                return at
        for account in accounts:
            at = self._removed_accounts.get(account)
            if at is not None and (post.edited_at or post.created_at) <= at:
                return at
        return None

    def _apply_compliance(self, events: dict[str, dict[str, Any]], now: datetime) -> list[Content]:
        removed: list[Content] = []
        for kind, event in events.items():
            at = self._times.believed(time(event.get("event_at")), now)
            tweet_id, account = _ids_in(event)
            if tweet_id and kind in _REMOVED_POSTS:
                removed += self._remove(tweet_id, at)
            elif account and kind in _REMOVED_ACCOUNTS:
                self._removed_accounts.add(account, at)
                for post_id in self._posts_of.get(account) or []:
                    removed += self._remove(post_id, at)
        if not removed:
            self._filtered.inc()
        return removed

    def _remove(self, tweet_id: str, at: datetime) -> Iterator[Content]:
        """Yield a Deletion of the post and of each of its reposts, if it was kept and not deleted before."""
        post_id = self._posts.get(tweet_id) or tweet_id
        reposts = [*(self._reposts_of.get(tweet_id) or []), *(self._reposts_of.get(post_id) or [])]
        for gone in dict.fromkeys([post_id, *reposts]):
            if gone in self._posts and gone not in self._removed:
                yield Deletion(source=SOURCE, id=gone, deleted_at=at)
            self._removed.add(gone, at)
        self._removed.add(tweet_id, at)


def _append(values: RecentlySeen[str, list[str]], key: str, value: str) -> None:
    values.add(key, [*(values.get(key) or [])[-_MAX_POSTS_PER_KEY + 1 :], value])


def ended(frame: bytes) -> StreamError | None:
    """Return the error with which X ends a stream, or None for any other line."""
    try:
        line = decode_json(_LINE, frame)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    problems = [
        *dicts(line.errors),
        {"title": line.title, "connection_issue": line.connection_issue, "detail": line.detail},
    ]
    descriptions = [
        " ".join(filter(None, (string(problem.get(key)) for key in ("title", "connection_issue", "detail"))))
        for problem in problems
    ]
    titles = "; ".join(filter(None, descriptions))[:_ERROR_CHARACTERS]
    return StreamError(titles) if line.data is None and titles else None


def _events(frame: bytes) -> dict[str, dict[str, Any]]:
    """Return the events in a line of a compliance stream by kind, or an empty dict for any other line."""
    try:
        events = decode_json(_COMPLIANCE, frame).data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return {kind: event for kind, event in events.items() if "tweet" in event or "user" in event}


def _ids_in(event: dict[str, Any]) -> tuple[str, str]:
    """Return the ids of the post and of the account that a compliance event is about, each empty if it has none."""
    return string(mapping(event.get("tweet")).get("id")), string(mapping(event.get("user")).get("id"))


def _id(value: object) -> str:
    """Return an id, or an empty string if it is too long: ids are kept in memory, so their length must be bounded."""
    text = string(value)
    return text if len(text) <= _MAX_ID else ""


def time_of(frame: bytes) -> datetime | None:
    """Return when X created the post in a line; None if there is no post, or no time in its id."""
    try:
        return made_at(string(mapping(mapping(msgspec.json.decode(frame)).get("data")).get("id")))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def made_at(tweet_id: str) -> datetime | None:
    """Return when X created an id; None if there is no time in it."""
    try:
        return tweet_time(tweet_id)
    except (ValueError, OverflowError):
        return None


def _post(tweet: _Tweet, first: str, includes: dict[str, Any], times: PostTimes, now: datetime) -> Post:
    references = {
        string(reference.get("type")): _id(reference.get("id")) for reference in dicts(tweet.referenced_tweets)
    }
    original = _original(references.get("retweeted", ""), includes)
    text = unescape(_text(original) if original else _text(msgspec.to_builtins(tweet)))
    version_at = time(tweet.created_at)
    id_at = made_at(first)
    if id_at is not None and id_at <= now and (version_at is None or first != tweet.id):
        written = PostTime(id_at, False, None)  # from X's own clock, so right however long ago
    else:
        written = times.written(version_at, now)
    author = _author(_id(tweet.author_id), includes)
    figures = mapping(tweet.public_metrics)
    language = string(tweet.lang)
    return Post(
        source=SOURCE,
        id=first,
        text=text,
        created_at=written.created_at,
        created_at_is_estimate=written.is_estimate,
        author_created_at=written.author_created_at,
        author=author,
        hashtags=normalise_hashtags([*_hashtags(tweet, original), *find_hashtags(text)]),
        language_hint=None if language in _NO_LANGUAGE else language or None,
        media=tuple(dict.fromkeys(_media(tweet, references, includes))),
        reply_to=references.get("replied_to") or None,
        repost_of=references.get("retweeted") or None,
        engagement=Engagement(
            likes=count(figures.get("like_count")),
            reposts=count(figures.get("retweet_count")),
            replies=count(figures.get("reply_count")),
        ),
        url=f"https://x.com/{author or 'i'}/status/{tweet.id}",
        edited_at=None if first == tweet.id else times.believed(version_at or made_at(tweet.id), now),
        collected_at=now,
    )


def _text(tweet: dict[str, Any]) -> str:
    """Return the full text, even of a long post."""
    return string(mapping(tweet.get("note_tweet")).get("text")) or string(tweet.get("text"))


def _original(tweet_id: str, includes: dict[str, Any]) -> dict[str, Any]:
    """Return the original of a repost, which itself contains only the start of a long text."""
    return next((tweet for tweet in dicts(includes.get("tweets")) if tweet_id and tweet.get("id") == tweet_id), {})


def _author(author_id: str, includes: dict[str, Any]) -> str:
    users = (user for user in dicts(includes.get("users")) if user.get("id") == author_id)
    return next((string(user.get("username")) for user in users), "") or author_id


def _hashtags(tweet: _Tweet, original: dict[str, Any]) -> Iterator[str]:
    for entities in (
        mapping(tweet.entities),
        mapping(original.get("entities")),
        mapping(mapping(tweet.note_tweet).get("entities")),
    ):
        for hashtag in dicts(entities.get("hashtags")):
            yield string(hashtag.get("tag"))


def _media(tweet: _Tweet, references: dict[str, str], includes: dict[str, Any]) -> Iterator[str]:
    attachments = mapping(tweet.attachments)
    keys = set(strings(attachments.get("media_keys")))
    for media in dicts(includes.get("media")):
        kind = string(media.get("type"))
        if media.get("media_key") in keys and kind in _MEDIA:
            yield _MEDIA[kind]
    if any(strings(attachments.get("poll_ids"))):
        yield "poll"
    if "quoted" in references:
        yield "quote"
    for url in dicts(mapping(tweet.entities).get("urls")):
        # links to the post's own media and to the quoted post were not added by the author
        if not string(url.get("media_key")) and not string(url.get("expanded_url")).startswith(
            ("https://x.com/", "https://twitter.com/")
        ):
            yield "link"
