"""A line of JSON becomes a Post or a Deletion, or says why not."""

from __future__ import annotations

import msgspec

from streams.contracts import Deletion, Post, Reason, decode_raw, find_hashtags
from streams.errors import BadMessage
from streams.sources.base import Content, Unreadable
from streams.sources.lines import Line

_POST: msgspec.json.Decoder[Post] = msgspec.json.Decoder(Post)
_ERROR_CHARACTERS = 300


def parse(line: Line, origin: str) -> Content:
    """Reads a line: `source`, `id`, `text` and `created_at` are needed, everything else has its default.

    A line without `type` is a post. Hashtags are found in the text where the line has no field `hashtags`.
    """
    number, value, cut = line
    if cut:
        return Unreadable(origin, number, value, "oversize", f"a line of {len(value) + cut} bytes, cut to {len(value)}")
    try:
        # an unescaped quote before the colon can only be a key
        post: Post | Deletion = decode_raw(value) if b'"type"' in value else _POST.decode(value)
    except BadMessage as error:
        return Unreadable(origin, number, value, _reason(error), error.detail)
    except msgspec.ValidationError as error:
        return Unreadable(origin, number, value, "invalid", str(error)[:_ERROR_CHARACTERS])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Unreadable(origin, number, value, "malformed", str(error)[:_ERROR_CHARACTERS])
    if isinstance(post, Post) and not post.hashtags and b'"hashtags"' not in value:
        return with_hashtags(post)
    return post


def with_hashtags(post: Post) -> Post:
    """The post with the hashtags of its text."""
    if "#" not in post.text and "\uff03" not in post.text:
        return post
    return msgspec.structs.replace(post, hashtags=find_hashtags(post.text))


def _reason(error: BadMessage) -> Reason:
    return "malformed" if error.reason == "malformed" else "invalid"
