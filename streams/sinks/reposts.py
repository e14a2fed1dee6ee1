"""Recognise reposts of an author whose original post is not stored."""

from __future__ import annotations

import re
from collections.abc import Iterable

from streams.sinks.base import Author


def id_prefixes(author: Author) -> list[str]:
    """Return the prefixes of an author's post ids on networks whose ids contain the account (Bluesky, Mastodon)."""
    name, at, server = author.name.removeprefix("@").partition("@")
    if not at:
        return [f"{author.name}/"]
    return [f"https://{server}/users/{name}/", f"https://{server}/@{name}/"]


def text_pattern(authors: Iterable[Author]) -> str:
    """Return a regular expression for texts that begin with `RT @` and an author's name; match it ignoring case."""
    names = "|".join(sorted(re.escape(author.name.removeprefix("@")) for author in authors))
    return rf"^\s*RT @({names}):?\s"
