"""Erasure: the posts of a person, or single posts, are removed from every sink."""

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
    """What a sink removed."""

    sink: str
    removed: tuple[PostKey, ...] = ()
    reposts: tuple[PostKey, ...] = ()
    """Those of what was removed: they went too, or lost their text."""
    error: Exception | None = None
    """Why it is not all of it; then the command must be given again."""


def wanted_of(
    authors: Sequence[Author],
    posts: Sequence[PostKey],
    key: bytes | None,
    reposts: Literal["remove", "clear"] = "remove",
) -> Erasure:
    """What sinks are to remove: names and ids as they are given, and with a key also as it writes them.

    Both, since posts may have been stored before there was a key.
    """
    if key is None:
        return Erasure(authors=frozenset(authors), posts=frozenset(posts), reposts=reposts)
    hidden = [Author(source, pseudonym(source, name, key)) for source, name in authors]
    hidden_posts = [PostKey(source, pseudonymised_id(source, post_id, key)) for source, post_id in posts]
    return Erasure(authors=frozenset([*authors, *hidden]), posts=frozenset([*posts, *hidden_posts]), reposts=reposts)


async def forget(sinks: Sequence[Sink], wanted: Erasure, *, execute: bool = True) -> list[Removal]:
    """Asks each sink, one after the other; one that fails keeps none of the others from it.

    Without `execute` nothing is removed: what would be.
    """
    return [await _forget(sink, wanted, execute) for sink in sinks]


async def _forget(sink: Sink, wanted: Erasure, execute: bool) -> Removal:
    try:
        async with opened(sink, existing=True):
            found = await (sink.forget if execute else sink.find)(wanted)
    except TagpulseError as error:
        return Removal(sink=sink.name, error=error)
    except Exception as error:  # what the other sinks removed must still be told
        logger.exception("the sink %s failed", sink.name)
        return Removal(sink=sink.name, error=error)
    return Removal(sink=sink.name, removed=tuple(sorted(set(found.posts))), reposts=tuple(sorted(set(found.reposts))))
