"""Questions to the lake: each post once, its newest edit, none that was deleted."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from streams.contracts import Deletion, EnrichedPost
from streams.errors import BadInput
from streams.lake_query import ask
from tests.helpers.brokers import own_settings
from tests.helpers.processes import run_tagpulse
from tests.streams.sinks.test_parquet import START, enriched, row, write

OFFERED = {
    "source",
    "id",
    "created_at",
    "text",
    "author",
    "hashtags",
    "language",
    "language_score",
    "sentiment",
    "negative",
    "neutral",
    "positive",
    "topics",
    "model_version",
    "model_runtime",
    "model_precision",
}


def _texts(lake: Path) -> list[tuple[str, str]]:
    return list(ask(lake, "select id, text from posts order by id").rows)  # type: ignore[arg-type]


def test_an_empty_lake_has_the_columns_and_no_rows(tmp_path: Path) -> None:
    answer = ask(tmp_path, "select * from posts")
    assert set(answer.columns) >= OFFERED
    assert list(answer.rows) == []


async def test_files_without_the_later_columns_are_read(tmp_path: Path) -> None:
    await write(tmp_path, [row(0, enriched("a"))])
    (file,) = (tmp_path / "posts").rglob("*.parquet")
    whole = pq.read_table(file, partitioning=None)
    pq.write_table(whole.drop_columns(["model_runtime", "model_precision"]), file)
    question = "select id, model_version, model_runtime, model_precision from posts order by id"
    assert list(ask(tmp_path, question).rows) == [("a", "1", None, None)]
    await write(tmp_path, [row(1, enriched("b"))])
    assert list(ask(tmp_path, question).rows) == [("a", "1", None, None), ("b", "1", "openvino", "int8")]


async def test_the_newest_edit_wins_in_whatever_order_it_came(tmp_path: Path) -> None:
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


async def test_a_post_that_came_twice_counts_once(tmp_path: Path) -> None:
    await write(tmp_path, [row(0, enriched("a")), row(1, enriched("a")), row(2, enriched("b"))])
    assert [post_id for post_id, _ in _texts(tmp_path)] == ["a", "b"]


async def test_deleted_posts_are_gone_whether_the_deletion_came_before_or_after(tmp_path: Path) -> None:
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


def test_a_wrong_query_says_what_duckdb_says(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="colour"):
        ask(tmp_path, "select colour from posts")


async def test_the_command_prints_a_json_object_a_row(tmp_path: Path) -> None:
    settings = own_settings("127.0.0.1:1", tmp_path)
    await write(settings.lake.path, [row(0, enriched("a", text='line\nbreak "quoted" 🐕'))])
    done = run_tagpulse("query", "--json", "select * from posts", settings=settings)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    post = json.loads(line)
    assert set(post) >= OFFERED
    assert post["text"] == 'line\nbreak "quoted" 🐕'
    assert post["created_at"] == "2026-06-20T09:30:00Z"
    assert post["topics"] == []
    assert (post["negative"], post["run"]) == (0.1, "live")


async def test_the_table_shows_hostile_posts_harmlessly(tmp_path: Path) -> None:
    settings = own_settings("127.0.0.1:1", tmp_path)
    await write(settings.lake.path, [row(0, enriched("a", text="\x1b[31mred [bold]markup[/bold] \u202etxt"))])
    done = run_tagpulse("query", "select text from posts", settings=settings)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert "[bold]markup[/bold]" in done.stdout


def test_a_wrong_query_ends_with_65(tmp_path: Path) -> None:
    settings = own_settings("127.0.0.1:1", tmp_path)
    Path(settings.lake.path).mkdir()
    done = run_tagpulse("query", "selec 1", settings=settings)
    assert (done.returncode, done.stdout) == (65, "")
    assert "the query failed" in done.stderr


def test_a_wrong_query_is_told_in_one_line_without_the_query(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r'Referenced column "colour" not found') as raised:
        ask(tmp_path, "select colour from posts")
    assert "\n" not in str(raised.value)
    assert "LINE 1" not in str(raised.value)
