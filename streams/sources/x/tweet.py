"""Lines of X's filtered stream and compliance streams become Posts and Deletions."""

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
from streams.sources.live import PostTimes, Written
from streams.sources.recently_seen import RecentlySeen
from streams.sources.tags import Tags
from streams.sources.times import tweet_time
from streams.sources.untyped import count, dicts, mapping, string, strings, time

SOURCE = "x"

_REMEMBERED_BYTES = 64 * 2**20
_OTHERS_BYTES = 24 * 2**20
_ERROR_CHARACTERS = 300
_MEDIA = {"photo": "image", "video": "video", "animated_gif": "video"}
_NO_LANGUAGE = ("und", "qam", "qct", "qht", "qme", "qst", "zxx")
_REMOVALS = ("delete", "drop")
_REMOVED_ACCOUNTS = ("user_delete", "user_suspend", "user_protect")
_POSTS_OF_ONE = 1_000  # posts of an account, or reposts of a post: they go when it goes

_MAX_ID = 20  # digits

TweetId = Annotated[str, msgspec.Meta(pattern=r"^[0-9]+$", max_length=_MAX_ID)]


class _Tweet(msgspec.Struct):
    """Only what a post cannot do without is taken at its word."""

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
    """What has data without the id of a post."""

    data: dict[str, dict[str, Any]]


_LINE: msgspec.json.Decoder[_Line] = msgspec.json.Decoder(_Line)
_COMPLIANCE: msgspec.json.Decoder[_Compliance] = msgspec.json.Decoder(_Compliance)


class StreamError(Exception):
    """X says why it ends the stream."""

    def __init__(self, titles: str) -> None:
        super().__init__(titles)
        self.is_cap = "UsageCap" in titles or "usage-cap" in titles
        self.is_crowd = "TooManyConnections" in titles


class XParser:
    """Reads lines of the filtered stream, and of the compliance streams where the plan has them.

    Those carry the deletions of the whole network: only what concerns posts that were read here is passed on. With a post
    go the reposts that hold its text, with an account its posts and what reposts them.
    """

    def __init__(self, rule_tag: str | None = None, tags: Tags | None = None, times: PostTimes | None = None) -> None:
        """`rule_tag`: marks the rules that are ours, what matches none of them is left out; None: whoever made the rules.

        `tags`: what carries none of these is left out, for frames that were asked for with other rules.
        """
        self._rule_tag = rule_tag
        self._tags = tags
        self._times = times or PostTimes()
        self._newest = RecentlySeen[str, str](_REMEMBERED_BYTES)
        """The newest version of each post that was passed on: an edit has an id of its own."""
        self._posts = RecentlySeen[str, str](_REMEMBERED_BYTES)
        """The post of each version."""
        self._reposts_of = RecentlySeen[str, list[str]](_OTHERS_BYTES)
        self._posts_of = RecentlySeen[str, list[str]](_OTHERS_BYTES)
        """Posts and reposts by the account that wrote them or their originals."""
        self._gone = RecentlySeen[str, datetime](_OTHERS_BYTES)
        """When it was deleted, also before the post came: the streams are not in step."""
        self._accounts_gone = RecentlySeen[str, datetime](_OTHERS_BYTES)
        self._filtered = metrics.FILTERED.labels(SOURCE)
        self._repeated = metrics.FRAMES_REPEATED.labels(SOURCE)

    def read(self, frame: bytes, origin: str, now: datetime) -> list[Content]:
        """`frame`: a line of a stream."""
        if len(frame) > MAX_FRAME_BYTES:
            return [oversize(origin, 0, frame)]
        try:
            line = decode_json(_LINE, frame)
        except msgspec.ValidationError as error:
            events = _events(frame)
            if not events:
                return [Unreadable(origin, 0, frame, "invalid", str(error)[:_ERROR_CHARACTERS])]
            if any(len(name) > _MAX_ID for event in events.values() for name in _named(event)):
                return [Unreadable(origin, 0, frame, "invalid", f"an id of more than {_MAX_ID} characters")]
            return self._comply(events, now)
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
        return self._keep(line.data, mapping(line.includes), now)

    def _keep(self, tweet: _Tweet, includes: dict[str, Any], now: datetime) -> list[Content]:
        first = next(filter(str.isdigit, strings(tweet.edit_history_tweet_ids)), tweet.id)[:20]
        last = self._newest.get(first)
        if last is not None and int(tweet.id) <= int(last):
            self._repeated.inc()
            return []
        post = _post(tweet, first, includes, self._times, now)
        original = _original(post.repost_of or "", includes)
        accounts = [*filter(None, dict.fromkeys((_id(tweet.author_id), _id(original.get("author_id")))))]
        gone_at = self._gone_at(post, tweet.id, accounts)
        if (gone_at is not None and last is not None) or (self._tags and not self._tags.match(post.hashtags)):
            self._filtered.inc()
            return []
        self._newest.add(first, tweet.id)
        if gone_at is not None:  # an earlier run may have read it
            return [Deletion(source=SOURCE, id=first, deleted_at=gone_at)]
        self._posts.add(tweet.id, first)
        self._posts.add(first, first)
        if last is None:
            for account in accounts:
                _append(self._posts_of, account, first)
            if post.repost_of:
                _append(self._reposts_of, post.repost_of, first)
        return [post]

    def _gone_at(self, post: Post, version: str, accounts: list[str]) -> datetime | None:
        """When the post, what it reposts, or an account that wrote it went; a later post shows that the account is back."""
        for tweet_id in filter(None, (post.id, version, post.repost_of)):
            if (at := self._gone.get(tweet_id)) is not None:
                return at
        for account in accounts:
            at = self._accounts_gone.get(account)
            if at is not None and (post.edited_at or post.created_at) <= at:
                return at
        return None

    def _comply(self, events: dict[str, dict[str, Any]], now: datetime) -> list[Content]:
        removed: list[Content] = []
        for kind, event in events.items():
            at = self._times.believed(time(event.get("event_at")), now)
            tweet_id, account = _named(event)
            if tweet_id and kind in _REMOVALS:
                removed += self._remove(tweet_id, at)
            elif account and kind in _REMOVED_ACCOUNTS:
                self._accounts_gone.add(account, at)
                for post_id in self._posts_of.get(account) or []:
                    removed += self._remove(post_id, at)
        if not removed:
            self._filtered.inc()
        return removed

    def _remove(self, tweet_id: str, at: datetime) -> Iterator[Content]:
        """Deletions of what was kept of it, each once."""
        post_id = self._posts.get(tweet_id) or tweet_id
        reposts = [*(self._reposts_of.get(tweet_id) or []), *(self._reposts_of.get(post_id) or [])]
        for gone in dict.fromkeys([post_id, *reposts]):
            if gone in self._posts and gone not in self._gone:
                yield Deletion(source=SOURCE, id=gone, deleted_at=at)
            self._gone.add(gone, at)
        self._gone.add(tweet_id, at)


def _append(values: RecentlySeen[str, list[str]], key: str, value: str) -> None:
    values.add(key, [*(values.get(key) or [])[-_POSTS_OF_ONE + 1 :], value])


def ended(frame: bytes) -> StreamError | None:
    """What X says when it ends a stream; None for any other line."""
    try:
        line = decode_json(_LINE, frame)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    problems = [
        *dicts(line.errors),
        {"title": line.title, "connection_issue": line.connection_issue, "detail": line.detail},
    ]
    said = [
        " ".join(filter(None, (string(problem.get(key)) for key in ("title", "connection_issue", "detail"))))
        for problem in problems
    ]
    titles = "; ".join(filter(None, said))[:_ERROR_CHARACTERS]
    return StreamError(titles) if line.data is None and titles else None


def _events(frame: bytes) -> dict[str, dict[str, Any]]:
    """What a line of a compliance stream tells, by kind; nothing when it is none."""
    try:
        events = decode_json(_COMPLIANCE, frame).data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return {kind: event for kind, event in events.items() if "tweet" in event or "user" in event}


def _named(event: dict[str, Any]) -> tuple[str, str]:
    """The ids of the post and of the account that an event of a compliance stream is about, empty where it names none."""
    return string(mapping(event.get("tweet")).get("id")), string(mapping(event.get("user")).get("id"))


def _id(value: object) -> str:
    """Return an id, or an empty string if it is too long: ids are kept in memory, so their length must be bounded."""
    text = string(value)
    return text if len(text) <= _MAX_ID else ""


def time_of(frame: bytes) -> datetime | None:
    """When X made the post of a line; None when it holds none, or does not tell."""
    try:
        return made_at(string(mapping(mapping(msgspec.json.decode(frame)).get("data")).get("id")))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def made_at(tweet_id: str) -> datetime | None:
    """When X made the id."""
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
        written = Written(id_at, False, None)  # by X's own clock, however long ago
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
    """The whole text, also of a long post."""
    return string(mapping(tweet.get("note_tweet")).get("text")) or string(tweet.get("text"))


def _original(tweet_id: str, includes: dict[str, Any]) -> dict[str, Any]:
    """The post that is reposted, whose text stands in the repost only up to some length."""
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
        # links to the post's own pictures, and to the quoted post, are no links of the author's
        if not string(url.get("media_key")) and not string(url.get("expanded_url")).startswith(
            ("https://x.com/", "https://twitter.com/")
        ):
            yield "link"
