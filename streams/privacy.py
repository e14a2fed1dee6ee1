"""Authors under pseudonyms: a keyed hash stands for a name, so that a person's posts can be counted and forgotten, not named.

The key decides: who has it can find the posts of a name, nobody can read the name out of them. With another key a
person becomes another one, so keep it for as long as posts are kept.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from urllib.parse import unquote

import msgspec

from streams.contracts import Deletion, Post, RawMessage

_BYTES = 16  # of the hash: 22 characters, and no two of a billion authors alike
_PSEUDONYM = re.compile(r"~[A-Za-z0-9_-]{22}")
_DID = "did:"
_NAME_IN_ID = re.compile(rf"({_DID}[^/]+)/(.+)", re.DOTALL)
"""Bluesky writes the account into the ids of its posts."""
_URI = re.compile(r"https?://")
"""Mastodon's ids are URIs, and most software writes the account into them."""


def pseudonym(source: str, name: str, key: bytes) -> str:
    """What is stored for an author: `~` and 22 characters. A pseudonym and an empty name stay as they are.

    Upper and lower case and a leading @ make no difference: the networks take `@Anna` and `anna` for one account.
    """
    if not name or is_pseudonym(name):
        return name
    return _hash(f"{source}:{_plain(name)}", key)


def _hash(text: str, key: bytes) -> str:
    digest = hmac.digest(key, text.encode(errors="backslashreplace"), hashlib.sha256)
    return "~" + base64.urlsafe_b64encode(digest[:_BYTES]).decode().rstrip("=")


def is_pseudonym(name: str) -> bool:
    """Whether `pseudonym` wrote this name."""
    return _PSEUDONYM.fullmatch(name) is not None


def pseudonymised_id(source: str, post_id: str, key: bytes) -> str:
    """The id of a post: the account that Bluesky writes into it becomes its pseudonym, a URI becomes one as a whole."""
    if _URI.match(post_id):
        return _hash(f"{source}:{post_id}", key)
    found = _NAME_IN_ID.fullmatch(post_id)
    return f"{pseudonym(source, found[1], key)}/{found[2]}" if found else post_id


def pseudonymise(message: RawMessage, key: bytes) -> RawMessage:
    """The message without the names of accounts in author, ids and url; what stands in the text is left.

    Twice is the same as once.
    """
    source = message.source
    post_id = pseudonymised_id(source, message.id, key)
    if isinstance(message, Deletion):
        return msgspec.structs.replace(message, id=post_id)

    def hidden(other: str | None) -> str | None:
        return None if other is None else pseudonymised_id(source, other, key)

    return msgspec.structs.replace(
        message,
        id=post_id,
        author=pseudonym(source, message.author, key),
        reply_to=hidden(message.reply_to),
        repost_of=hidden(message.repost_of),
        url=None if _is_named_in_url(message) else message.url,
    )


def _is_named_in_url(post: Post) -> bool:
    if not post.url or not post.author:
        return False
    name = _plain(post.author).partition("@")[0]  # Mastodon's name@server is /@name on its server
    url = unquote(post.url).lower()
    return name in url or _DID in url


def _plain(name: str) -> str:
    return name.strip().removeprefix("@").lower()
