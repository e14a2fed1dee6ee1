"""How `forget` recognises reposts of an author whose original post is not stored."""

from __future__ import annotations

import re
from collections.abc import Iterable

from streams.sinks.base import Author


def id_prefixes(author: Author) -> list[str]:
    """How the ids of an author's posts begin where a network writes the account into them: Bluesky, Mastodon."""
    name, at, server = author.name.removeprefix("@").partition("@")
    if not at:
        return [f"{author.name}/"]
    return [f"https://{server}/users/{name}/", f"https://{server}/@{name}/"]


def text_pattern(authors: Iterable[Author]) -> str:
    """A regular expression, without regard to case, for texts that begin with the old sign of a repost of one of them."""
    names = "|".join(sorted(re.escape(author.name.removeprefix("@")) for author in authors))
    return rf"^\s*RT @({names}):?\s"
