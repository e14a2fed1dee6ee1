"""The views show each post once, in its newest version, and no deleted posts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow.parquet as pq
import pytest

from streams.contracts import Deletion, EnrichedPost
from streams.sinks.lake import views
from streams.sinks.lake.local_storage import LocalStorage
from streams.sinks.lake.query import ask
from tests.helpers.lake import squeeze, store_run, view_rows, write
from tests.helpers.rows import DAY, START, at, deletion, enriched, row


def _texts(lake: Path) -> list[tuple[str, str]]:
    return list(ask(lake, "select id, text from posts order by id").rows)


async def test_files_without_the_later_columns_are_read(tmp_path: Path) -> None:
    await write(tmp_path, [row(0, enriched("a"))])
    (file,) = (tmp_path / "posts").rglob("*.parquet")
    whole = pq.read_table(file, partitioning=None)
    pq.write_table(whole.drop_columns(["model_runtime", "model_precision"]), file)
    question = "select id, model_version, model_runtime, model_precision from posts order by id"
    assert list(ask(tmp_path, question).rows) == [("a", "1", None, None)]
    await write(tmp_path, [row(1, enriched("b"))])
    assert list(ask(tmp_path, question).rows) == [("a", "1", None, None), ("b", "1", "openvino", "int8")]


async def test_the_newest_edit_wins_in_whatever_order_edits_arrive(tmp_path: Path) -> None:
    first = START + timedelta(minutes=5)
    second = START + timedelta(minutes=9)
    await write(
        tmp_path,
        [
            row(0, enriched("a", text="as written")),
            row(1, enriched("b", text="second edit", edited_at=second)),
            row(2, enriched("b", text="first edit", edited_at=first)),
            row(3, enriched("a", text="edited", edited_at=first)),
        ],
    )
    assert _texts(tmp_path) == [("a", "edited"), ("b", "second edit")]


async def test_a_post_that_arrived_twice_counts_once(tmp_path: Path) -> None:
    await write(tmp_path, [row(0, enriched("a")), row(1, enriched("a")), row(2, enriched("b"))])
    assert [post_id for post_id, _ in _texts(tmp_path)] == ["a", "b"]


async def test_deleted_posts_are_gone_whether_the_deletion_came_first_or_last(tmp_path: Path) -> None:
    gone = [Deletion(source="test", id=post_id, deleted_at=START) for post_id in ("a", "b")]
    await write(tmp_path, [row(0, enriched("a")), row(1, gone[0]), row(2, gone[1]), row(3, enriched("b"))])
    await write(tmp_path, [row(4, enriched("c"))])
    assert [post_id for post_id, _ in _texts(tmp_path)] == ["c"]


async def test_an_edit_after_a_deletion_brings_the_post_back_and_an_old_one_does_not(tmp_path: Path) -> None:
    gone = START + timedelta(minutes=5)
    await write(
        tmp_path,
        [
            row(0, enriched("a")),
            row(1, Deletion(source="test", id="a", deleted_at=gone)),
            row(2, enriched("b", text="edited before", edited_at=START + timedelta(minutes=4))),
            row(3, Deletion(source="test", id="b", deleted_at=gone)),
        ],
    )
    assert _texts(tmp_path) == []
    await write(tmp_path, [row(4, enriched("a", text="tagged again", edited_at=START + timedelta(minutes=6)))])
    assert _texts(tmp_path) == [("a", "tagged again")]


async def test_minutes_count_the_posts_of_a_hashtag(tmp_path: Path) -> None:
    def tagged(post_id: str, minutes: int, *tags: str) -> EnrichedPost:
        message = enriched(post_id, minutes=minutes)
        return msgspec.structs.replace(message, post=msgspec.structs.replace(message.post, hashtags=tags))

    await write(
        tmp_path,
        [
            row(0, tagged("a", 0, "one", "two")),
            row(1, tagged("b", 0, "one")),
            row(2, tagged("b", 0, "one")),
            row(3, tagged("c", 1, "one")),
            row(4, tagged("d", 1)),
        ],
    )
    columns = "run, hashtag, posts, negative, neutral, positive, round(neutral_sum, 6)"
    answer = ask(tmp_path, f"select minute, {columns} from minutes order by minute, hashtag")
    assert list(answer.rows) == [
        (START, "live", "one", 2, 0, 2, 0, 1.6),
        (START, "live", "two", 1, 0, 1, 0, 0.8),
        (START + timedelta(minutes=1), "live", "one", 1, 0, 1, 0, 0.8),
    ]


@pytest.mark.parametrize("name", ["lake[1]", "lake?", "lake*", "id=7", "run=backup/hour=99", "we'ird \\ lake"])
async def test_the_name_of_the_folder_has_no_effect(tmp_path: Path, name: str) -> None:
    for sibling in ("lake1", "lakes"):
        await write(tmp_path / sibling, [row(0, enriched("of the sibling"))])
    lake = tmp_path / name
    await write(lake, [row(0, enriched("a")), row(1, at(START - timedelta(days=90), "b"))])
    found = list(ask(lake, "select id, run, hour, date from posts order by id").rows)
    assert found == [("a", "live", "09", DAY), ("b", "live", "09", DAY - timedelta(days=90))]
    assert view_rows(lake).keys() == {("test", "a"), ("test", "b")}


async def test_a_condition_on_the_folders_opens_no_other_files(tmp_path: Path) -> None:
    await write(tmp_path, [row(minutes, enriched(f"p{minutes}", minutes=minutes)) for minutes in range(0, 600, 30)])
    sql = "explain select count(*) from stored_posts where run = 'live' and hour = '09'"
    answer = ask(tmp_path, sql, unlocked=True)
    assert "Scanning Files: 1/11" in str(list(answer.rows)), "one of 11 hours: half of hour 09, and ten more"


async def test_a_query_during_a_compaction_is_repeated(tmp_path: Path) -> None:
    for offset, post_id in enumerate("ab"):
        await write(tmp_path, [row(offset, enriched(post_id))])
    storage, asked = LocalStorage(tmp_path), list[str]()

    def read(lake: duckdb.DuckDBPyConnection, column: str) -> list[Any]:
        asked.append(column)
        if len(asked) == 1:
            squeeze(tmp_path)
        return list(lake.execute(f"select {column} from posts order by id").fetchall())

    assert views.select(storage, lambda lake: read(lake, "id")) == [("a",), ("b",)]
    assert asked == ["id", "id"]
    with pytest.raises(duckdb.Error, match="colour"):
        views.select(storage, lambda lake: read(lake, "colour"))
    assert asked[2:] == ["colour"], "a wrong query is not repeated while no file changes"


async def test_posts_are_counted_by_run_and_an_empty_run_has_none(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    assert views.posts_by_run(storage) == {}
    await store_run(tmp_path, "live", enriched("a"), enriched("b"), deletion("b"))
    await store_run(tmp_path, "again", enriched("a"))
    await store_run(tmp_path, "gone", deletion("a"))
    assert views.posts_by_run(storage) == {"live": 1, "again": 1, "gone": 0}


async def test_questions_are_found_by_a_macro(tmp_path: Path) -> None:
    await store_run(tmp_path, "live", enriched("a", text="Why?"), enriched("b", text="So."))
    with views.connect(LocalStorage(tmp_path)) as connection:
        found = connection.execute("select id, is_question(text) from posts order by id").fetchall()
        assert found == [("a", True), ("b", False)]
        assert connection.execute("select current_setting('timezone')").fetchone() == ("UTC",)
