"""Pseudonyms for authors: a keyed hash replaces the name.

The posts of a person can still be counted and deleted, but the name cannot be recovered from them. With the key, one
can find the posts of a given name. Another key gives other pseudonyms, so keep the key for as long as the posts.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from urllib.parse import unquote

import msgspec

from streams.contracts import Deletion, Post, RawMessage

_BYTES = 16  # of the hash: 22 characters, enough to avoid collisions among a billion authors
_PSEUDONYM = re.compile(r"~[A-Za-z0-9_-]{22}")
_DID = "did:"
_NAME_IN_ID = re.compile(rf"({_DID}[^/]+)/(.+)", re.DOTALL)
"""The id of a Bluesky post contains the account."""
_URI = re.compile(r"https?://")
"""The id of a Mastodon post is a URI, which with most software contains the account."""


def pseudonym(source: str, name: str, key: bytes) -> str:
    """Return the pseudonym of an author: `~` and 22 characters.

    A pseudonym and an empty name are returned unchanged. Case and a leading @ make no difference, since to the networks
    `@Anna` and `anna` are the same account.
    """
    if not name or is_pseudonym(name):
        return name
    return _hash(f"{source}:{_plain(name)}", key)


def _hash(text: str, key: bytes) -> str:
    digest = hmac.digest(key, text.encode(errors="backslashreplace"), hashlib.sha256)
    return "~" + base64.urlsafe_b64encode(digest[:_BYTES]).decode().rstrip("=")


def is_pseudonym(name: str) -> bool:
    """Return whether a name is a pseudonym made by `pseudonym`."""
    return _PSEUDONYM.fullmatch(name) is not None


def pseudonymised_id(source: str, post_id: str, key: bytes) -> str:
    """Return the id of a post without the name of an account.

    In an id from Bluesky, the account is replaced by its pseudonym; a URI is hashed as a whole; other ids are returned
    unchanged.
    """
    if _URI.match(post_id):
        return _hash(f"{source}:{post_id}", key)
    found = _NAME_IN_ID.fullmatch(post_id)
    return f"{pseudonym(source, found[1], key)}/{found[2]}" if found else post_id


def pseudonymise(message: RawMessage, key: bytes) -> RawMessage:
    """Return the message with pseudonyms in place of account names in its author, ids and URL.

    The text is not changed. Applying this twice is the same as applying it once.
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
    name = _plain(post.author).partition("@")[0]  # Mastodon: the URL of name@server is server/@name
    url = unquote(post.url).lower()
    return name in url or _DID in url


def _plain(name: str) -> str:
    return name.strip().removeprefix("@").lower()
