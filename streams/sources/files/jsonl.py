"""Parses a line of JSON into a Post or a Deletion."""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from streams.contracts import Deletion, Post, Reason, decode_raw, find_hashtags, normalise_hashtags, utc_now
from streams.contracts.repair import decode_json
from streams.errors import BadMessage
from streams.sources.base import Content, Unreadable
from streams.sources.files.lines import Line
from streams.sources.times import check_past

_POST: msgspec.json.Decoder[Post] = msgspec.json.Decoder(Post)
_ERROR_CHARACTERS = 300

# an unescaped quote before the colon can only be a key
_TAGGED = re.compile(rb'"type"\s*:')
_HASHTAGS = re.compile(rb'"hashtags"\s*:')


def parse(line: Line, origin: str, now: datetime | None = None) -> Content:
    """Parse a line; `source`, `id`, `text` and `created_at` are required, all other fields have defaults.

    A line without `type` is a post. Times more than a minute after `now` (default: the current time) are rejected.
    Hashtags are taken from the text if the line has no field `hashtags`. An invalid line becomes an Unreadable.
    """
    number, value, cut = line
    if cut:
        return Unreadable(origin, number, value, "oversize", f"a line of {len(value) + cut} bytes, cut to {len(value)}")
    try:
        post: Post | Deletion = decode_raw(value) if _TAGGED.search(value) else decode_json(_POST, value)
        check_past(post, now or utc_now())
    except BadMessage as error:
        return Unreadable(origin, number, value, _reason(error), error.detail)
    except msgspec.ValidationError as error:
        return Unreadable(origin, number, value, "invalid", str(error)[:_ERROR_CHARACTERS])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Unreadable(origin, number, value, "malformed", str(error)[:_ERROR_CHARACTERS])
    except ValueError as error:
        return Unreadable(origin, number, value, "invalid", str(error))
    if isinstance(post, Deletion):
        return post
    if post.hashtags:
        return msgspec.structs.replace(post, hashtags=normalise_hashtags(post.hashtags))
    return post if _HASHTAGS.search(value) else with_hashtags(post)


def with_hashtags(post: Post) -> Post:
    """Return the post with the hashtags of its text."""
    if "#" not in post.text and "\uff03" not in post.text:
        return post
    return msgspec.structs.replace(post, hashtags=find_hashtags(post.text))


def _reason(error: BadMessage) -> Reason:
    return "malformed" if error.reason == "malformed" else "invalid"
