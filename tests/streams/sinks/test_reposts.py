"""Forgetting a person also removes what others reposted of them, in the lake and in PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import psycopg
import pytest
from pydantic import SecretStr

from streams.contracts import EnrichedPost
from streams.settings import LakeSettings, PostgresSettings
from streams.sinks.base import Author, Erasure, Forgotten, PostKey, Row, Sink, opened
from streams.sinks.lake.parquet import ParquetSink
from streams.sinks.lake.query import ask
from streams.sinks.postgres import PostgresSink
from tests.streams.sinks.lake.test_parquet import enriched, row, squeeze
from tests.streams.sinks.test_postgres import changed

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


class Store:
    """A sink, with access to its visible posts and to its whole content."""

    def __init__(self, place: Path | str) -> None:
        self._place = place

    def sink(self, run: str = "live") -> Sink:
        if isinstance(self._place, Path):
            return ParquetSink(LakeSettings(path=self._place), run)
        return PostgresSink(PostgresSettings(dsn=SecretStr(self._place)), run)

    async def write(self, posts: Sequence[EnrichedPost], run: str = "live") -> None:
        async with opened(self.sink(run)) as sink:
            rows: list[Row] = [row(offset, message) for offset, message in enumerate(posts)]
            await sink.write(rows)
            await sink.flush()

    def shown(self, run: str = "live") -> dict[str, tuple[str, int]]:
        question = f"select id, text, cardinality(media) from posts where run = '{run}'"
        if isinstance(self._place, Path):
            rows = list(ask(self._place, question.replace("cardinality", "len")).rows)
        else:
            with psycopg.connect(self._place) as connection:
                rows = connection.execute(question.encode()).fetchall()
        return {post_id: (text, media) for post_id, text, media in rows}

    def tidy(self) -> None:
        if isinstance(self._place, Path):
            squeeze(self._place)

    def holds(self, words: str) -> bool:
        """Return whether these words are stored anywhere, hidden or not."""
        if isinstance(self._place, Path):
            return words in str(list(ask(self._place, "select text, media from stored_posts").rows))
        with psycopg.connect(self._place) as connection:
            return words in str(connection.execute("select text, media from stored_posts").fetchall())


@pytest.fixture(params=["lake", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(tmp_path if request.param == "lake" else request.getfixturevalue("dsn"))


def keys(posts: Sequence[EnrichedPost]) -> list[PostKey]:
    return sorted(PostKey("test", each.post.id) for each in posts)


def plain(posts: Sequence[EnrichedPost]) -> dict[str, tuple[str, int]]:
    return {each.post.id: (each.post.text, 1) for each in posts}


def silent(posts: Sequence[EnrichedPost]) -> dict[str, tuple[str, int]]:
    return {each.post.id: ("", 0) for each in posts}


@pytest.mark.parametrize("fate", ["remove", "clear"])
async def test_reposts_go_or_lose_their_text_and_the_plan_counts_them(store: Store, fate: Fate) -> None:
    everything = [*HERS, *REPOSTS, *OTHERS]
    for run in ("live", "again"):
        await store.write(everything, run)
    wanted = Erasure(authors=EVE, reposts=fate)
    async with opened(store.sink()) as sink:
        assert await sink.find(wanted) == Forgotten(keys(HERS), keys(REPOSTS))
        assert store.shown() == plain(everything), "a plan changes nothing"
        assert await sink.forget(wanted) == Forgotten(keys(HERS), keys(REPOSTS))
    assert not store.holds(WORDS)
    left = plain(OTHERS) | ({} if fate == "remove" else silent(REPOSTS))
    assert store.shown() == store.shown("again") == left
    # posts that are read again, and a later repost
    for run in ("live", "new"):
        await store.write([*everything, *LATER], run)
        expected = plain([*OTHERS, LATER[1]]) | ({} if fate == "remove" else silent([*REPOSTS, LATER[0]]))
        assert store.shown(run) == expected
        store.tidy()
        assert not store.holds(WORDS)
        assert store.shown(run) == expected


async def test_a_post_is_forgotten_with_its_reposts_only(store: Store) -> None:
    await store.write([*HERS, *REPOSTS, *OTHERS])
    async with opened(store.sink()) as sink:
        wanted = Erasure(posts=frozenset([PostKey("test", "e1")]))
        assert await sink.forget(wanted) == Forgotten(keys(HERS[:1]), keys(REPOSTS[:2]))
        assert await sink.forget(wanted) == Forgotten()._replace(posts=[], reposts=[])
    assert store.shown() == plain([HERS[1], *REPOSTS[2:], *OTHERS])


async def test_cleared_reposts_can_be_removed_later(store: Store) -> None:
    await store.write([*HERS, *REPOSTS])
    async with opened(store.sink()) as sink:
        post = frozenset([PostKey("test", "e1")])
        await sink.forget(Erasure(posts=post, reposts="clear"))
        assert await sink.forget(Erasure(posts=post)) == Forgotten([], keys(REPOSTS[:2]))
    await store.write([*HERS, *REPOSTS])
    assert store.shown() == plain([HERS[1], *REPOSTS[2:]])
