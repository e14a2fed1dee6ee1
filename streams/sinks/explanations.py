"""Remove deleted and forgotten posts from the explanation of a spike."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from streams.sinks.base import Author, PostKey

EXCERPTS = ("typical", "shared")
_QUOTING = ("summary", "top_author", "top_text")
"""Fields that may quote a post or name its author."""


def without_posts(
    explanation: Mapping[str, Any], posts: Set[PostKey], authors: Set[Author] = frozenset()
) -> dict[str, Any] | None:
    """Return the explanation as plain data without these posts and authors, or None if it shows none of them.

    An explanation that shows any of them also loses its summary and every other field that may quote them.
    """
    kept = {
        name: [
            excerpt
            for excerpt in explanation.get(name) or ()
            if PostKey(excerpt["source"], excerpt["id"]) not in posts
            and Author(excerpt["source"], excerpt.get("author") or "") not in authors
        ]
        for name in EXCERPTS
    }
    if all(len(kept[name]) == len(explanation.get(name) or ()) for name in EXCERPTS) and explanation.get(
        "top_author"
    ) not in {author.name for author in authors}:
        return None
    return {name: value for name, value in explanation.items() if name not in _QUOTING} | kept
