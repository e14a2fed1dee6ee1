"""Forgetting a person also removes reposts of their posts, in the lake and in PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from streams.contracts import EnrichedPost
from streams.sinks.base import Author, Erasure, Forgotten, PostKey, opened
from tests.helpers.lake import squeeze
from tests.helpers.rows import changed, enriched, row
from tests.helpers.stores import Store

WORDS = "words of eve"
Fate = Literal["remove", "clear"]


def post(post_id: str, author: str, text: str = WORDS, repost_of: str | None = None) -> EnrichedPost:
    return changed(
        enriched(post_id, text=text), author=author, repost_of=repost_of, media=("https://eve.example/photo.jpg",)
    )


HERS = [post("e1", "eve"), post("did:plc:e/k", "did:plc:e")]
REPOSTS = [
    post("r1", "anna", repost_of="e1"),
    post("r2", "bert", f"RT @eve: {WORDS}", repost_of="e1"),
    post("r3", "carl", f"rt @Eve {WORDS}"),
    post("did:plc:a/r", "did:plc:a", repost_of="did:plc:e/not-seen"),
    post("m1", "dora@m.example", repost_of="https://m.example/users/eve/statuses/1"),
]
OTHERS = [
    post("o1", "anna", "of others"),
    post("o2", "bert", "of others", repost_of="o1"),
    post("o3", "carl", "RT @evelyn: of others"),
    post("o4", "carl", "@eve of others"),
]
LATER = [post("l1", "emil", repost_of="e1"), post("l2", "emil", repost_of="r1-of-nobody", text="of others")]
EVE = frozenset(Author("test", name) for name in ("eve", "did:plc:e", "eve@m.example"))


async def write(store: Store, posts: Sequence[EnrichedPost], run: str = "live") -> None:
    await store.write([row(offset, message) for offset, message in enumerate(posts)], run)


def shown(store: Store, run: str = "live") -> dict[str, tuple[str, int]]:
    rows = store.select(f"select id, text, media from posts where run = '{run}'")
    return {fields["id"]: (fields["text"], len(fields["media"])) for fields in rows}


def tidy(store: Store) -> None:
    if isinstance(store.place, Path):
        squeeze(store.place)


def holds(store: Store, words: str) -> bool:
    """Return whether these words are stored anywhere, hidden or not."""
    return words in str(store.select("select text, media from stored_posts"))


def keys(posts: Sequence[EnrichedPost]) -> list[PostKey]:
    return sorted(PostKey("test", each.post.id) for each in posts)


def plain(posts: Sequence[EnrichedPost]) -> dict[str, tuple[str, int]]:
    return {each.post.id: (each.post.text, 1) for each in posts}


def cleared(posts: Sequence[EnrichedPost]) -> dict[str, tuple[str, int]]:
    return {each.post.id: ("", 0) for each in posts}


@pytest.mark.parametrize("fate", ["remove", "clear"])
async def test_reposts_are_removed_or_lose_their_text_and_the_plan_counts_them(store: Store, fate: Fate) -> None:
    everything = [*HERS, *REPOSTS, *OTHERS]
    for run in ("live", "again"):
        await write(store, everything, run)
    wanted = Erasure(authors=EVE, reposts=fate)
    async with opened(store.sink()) as sink:
        assert await sink.find(wanted) == Forgotten(keys(HERS), keys(REPOSTS))
        assert shown(store) == plain(everything), "a plan changes nothing"
        assert await sink.forget(wanted) == Forgotten(keys(HERS), keys(REPOSTS))
    assert not holds(store, WORDS)
    left = plain(OTHERS) | ({} if fate == "remove" else cleared(REPOSTS))
    assert shown(store) == shown(store, "again") == left
    # posts that are read again, and a later repost
    for run in ("live", "new"):
        await write(store, [*everything, *LATER], run)
        expected = plain([*OTHERS, LATER[1]]) | ({} if fate == "remove" else cleared([*REPOSTS, LATER[0]]))
        assert shown(store, run) == expected
        tidy(store)
        assert not holds(store, WORDS)
        assert shown(store, run) == expected


async def test_a_post_is_forgotten_with_its_reposts_only(store: Store) -> None:
    await write(store, [*HERS, *REPOSTS, *OTHERS])
    async with opened(store.sink()) as sink:
        wanted = Erasure(posts=frozenset([PostKey("test", "e1")]))
        assert await sink.forget(wanted) == Forgotten(keys(HERS[:1]), keys(REPOSTS[:2]))
        assert await sink.forget(wanted) == Forgotten()._replace(posts=[], reposts=[])
    assert shown(store) == plain([HERS[1], *REPOSTS[2:], *OTHERS])


async def test_cleared_reposts_can_be_removed_later(store: Store) -> None:
    await write(store, [*HERS, *REPOSTS])
    async with opened(store.sink()) as sink:
        post = frozenset([PostKey("test", "e1")])
        await sink.forget(Erasure(posts=post, reposts="clear"))
        assert await sink.forget(Erasure(posts=post)) == Forgotten([], keys(REPOSTS[:2]))
    await write(store, [*HERS, *REPOSTS])
    assert shown(store) == plain([HERS[1], *REPOSTS[2:]])
