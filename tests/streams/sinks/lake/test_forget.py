"""Forgotten posts are gone from every file of every run, and do not come back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from streams.sinks.base import Author, Erasure, Forgotten, PostKey
from streams.sinks.lake.files import every_file
from streams.sinks.lake.folders import POSTS
from streams.sinks.lake.forget import find, forget
from streams.sinks.lake.local_storage import LocalStorage
from streams.sinks.lake.query import ask
from tests.helpers.lake import Crash, crash_at, open_sink, squeeze, store_run, stored, view_rows, write
from tests.helpers.rows import by, changed, enriched, row


async def test_forgotten_posts_are_gone_from_every_run_and_do_not_come_back(tmp_path: Path) -> None:
    posts = [by("anna", enriched("a")), by("ben", enriched("b")), by("anna", enriched("c", minutes=70))]
    for run in ("live", "again"):
        await store_run(tmp_path, run, *posts)
    sink = await open_sink(tmp_path)
    removed = await sink.forget(
        Erasure(authors=frozenset({Author("test", "anna")}), posts=frozenset({PostKey("test", "never-seen")}))
    )
    assert removed == Forgotten([PostKey("test", "a"), PostKey("test", "c")], [])
    assert [post_id for _, _, post_id in stored(tmp_path)] == ["b", "b"]
    assert b"anna" not in b"".join(file.read_bytes() for file in tmp_path.rglob("*.parquet"))
    late = enriched("never-seen")
    for run in ("live", "again", "later"):  # the records are read again, and also by a later replay
        await store_run(tmp_path, run, *posts, late)
        assert {key[1] for key in view_rows(tmp_path, run)} == {"b"}
    squeeze(tmp_path)
    assert {post_id for _, _, post_id in stored(tmp_path)} == {"b"}
    assert await sink.runs() == {"live": 1, "again": 1, "later": 1}


@pytest.mark.parametrize("step", range(8))
async def test_a_crash_during_an_erasure_shows_nothing_again(tmp_path: Path, step: int) -> None:
    await write(tmp_path, [row(0, by("anna", enriched("a"))), row(1, enriched("b"))])
    wanted, sink = Erasure(posts=frozenset({PostKey("test", "a")})), await open_sink(tmp_path)
    try:
        with crash_at(step):
            await sink.forget(wanted)
    except Crash:
        assert "b" in {key[1] for key in view_rows(tmp_path)}
        await sink.forget(wanted)
    assert {key[1] for key in view_rows(tmp_path)} == {"b"}
    squeeze(tmp_path)
    assert stored(tmp_path) == [(0, 1, "b")]


async def test_a_repost_in_a_file_of_an_earlier_version_loses_its_text(tmp_path: Path) -> None:
    await write(tmp_path, [row(0, enriched("a"))])
    await write(tmp_path, [row(1, changed(enriched("r", text="RT of a"), repost_of="a")), row(2, enriched("o"))])
    files = sorted((tmp_path / POSTS).rglob("*.parquet"))
    whole = pq.read_table(files[1], partitioning=None)
    pq.write_table(whole.drop_columns(["media"]), files[1])
    sink = await open_sink(tmp_path)
    wanted = Erasure(posts=frozenset({PostKey("test", "a")}), reposts="clear")
    assert await sink.forget(wanted) == Forgotten([PostKey("test", "a")], [PostKey("test", "r")])
    for view in ("posts", "stored_posts"):
        found = list(ask(tmp_path, f"select id, text, coalesce(media, []) from {view} order by id").rows)
        assert found == [("o", "hello", []), ("r", "", [])]
    # a worker of the earlier version stores the repost again
    files[1].parent.mkdir(exist_ok=True)
    pq.write_table(whole.drop_columns(["media"]), files[1])
    assert list(ask(tmp_path, "select id, text from posts order by id").rows) == [("o", "hello"), ("r", "")]
    squeeze(tmp_path)
    assert list(ask(tmp_path, "select id, text from stored_posts order by id").rows) == [("o", "hello"), ("r", "")]


async def test_a_plan_finds_the_same_posts_and_changes_nothing(tmp_path: Path) -> None:
    posts = [by("eve", enriched("a")), changed(enriched("r"), repost_of="a"), enriched("o")]
    await store_run(tmp_path, "live", *posts)
    storage = LocalStorage(tmp_path)
    before = every_file(storage)
    wanted = Erasure(authors=frozenset({Author("test", "eve")}))
    plan = find(storage, wanted)
    assert plan == Forgotten([PostKey("test", "a")], [PostKey("test", "r")])
    assert every_file(storage) == before
    assert forget(storage, wanted) == plan
    assert find(storage, wanted) == Forgotten([], [])
    assert find(storage, Erasure()) == Forgotten([], [])


async def test_an_erasure_hides_every_edit_that_is_already_stored(tmp_path: Path) -> None:
    """An author's clock may be ahead: the erasure is as late as the latest edit."""
    ahead = datetime.now(UTC) + timedelta(days=1)
    rows = [row(0, enriched("a", edited_at=ahead)), row(1, enriched("b"))]
    await write(tmp_path, rows)
    forget(LocalStorage(tmp_path), Erasure(posts=frozenset({PostKey("test", "a")})))
    await write(tmp_path, rows)
    assert {key[1] for key in view_rows(tmp_path)} == {"b"}
    await write(tmp_path, [row(2, enriched("a", edited_at=ahead + timedelta(seconds=1)))])
    assert {key[1] for key in view_rows(tmp_path)} == {"a", "b"}, "a later edit counts as a new post"
