"""Erase the posts of a person, or single posts, from every sink."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from streams.errors import TagpulseError
from streams.privacy import pseudonym, pseudonymised_id
from streams.sinks.base import Author, Erasure, PostKey, Sink, opened

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Removal:
    """The posts that one sink removed, and the error if it failed."""

    sink: str
    removed: tuple[PostKey, ...] = ()
    reposts: tuple[PostKey, ...] = ()
    """Reposts of the removed posts; these were removed too, or lost their text."""
    error: Exception | None = None
    """Why the removal is incomplete; if set, the command has to be run again."""


def erasure_of(
    authors: Sequence[Author],
    posts: Sequence[PostKey],
    key: bytes | None,
    reposts: Literal["remove", "clear"] = "remove",
) -> Erasure:
    """Return the erasure for these names and ids and, with a key, for their pseudonyms as well.

    Both forms are needed, because posts may have been stored before pseudonyms were in use.
    """
    if key is None:
        return Erasure(authors=frozenset(authors), posts=frozenset(posts), reposts=reposts)
    hidden = [Author(source, pseudonym(source, name, key)) for source, name in authors]
    hidden_posts = [PostKey(source, pseudonymised_id(source, post_id, key)) for source, post_id in posts]
    return Erasure(authors=frozenset([*authors, *hidden]), posts=frozenset([*posts, *hidden_posts]), reposts=reposts)


async def forget(sinks: Sequence[Sink], wanted: Erasure, *, execute: bool = True) -> list[Removal]:
    """Remove the wanted posts from each sink in turn; a sink that fails does not stop the others.

    Without `execute`, nothing is removed and the result says what would be.
    """
    return [await _forget(sink, wanted, execute) for sink in sinks]


async def _forget(sink: Sink, wanted: Erasure, execute: bool) -> Removal:
    try:
        async with opened(sink, existing=True):
            found = await (sink.forget if execute else sink.find)(wanted)
    except TagpulseError as error:
        return Removal(sink=sink.name, error=error)
    except Exception as error:  # the results of the other sinks must still be reported
        logger.exception("the sink %s failed", sink.name)
        return Removal(sink=sink.name, error=error)
    return Removal(sink=sink.name, removed=tuple(sorted(set(found.posts))), reposts=tuple(sorted(set(found.reposts))))
