"""Queries show each post once, in its newest version, and no deleted posts."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from streams.contracts import Deletion, EnrichedPost
from streams.errors import BadInput
from streams.sinks.lake.query import ask
from tests.helpers.brokers import own_settings
from tests.helpers.processes import run_tagpulse
from tests.streams.sinks.lake.test_parquet import START, enriched, row, write

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
    return list(ask(lake, "select id, text from posts order by id").rows)


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


async def test_the_command_prints_a_json_object_per_row(tmp_path: Path) -> None:
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


def test_a_wrong_query_is_reported_in_one_line_without_the_query(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r'Referenced column "colour" not found') as raised:
        ask(tmp_path, "select colour from posts")
    assert "\n" not in str(raised.value)
    assert "LINE 1" not in str(raised.value)


@pytest.fixture
async def lake(tmp_path: Path) -> Path:
    """A lake with one post, and next to it a file that queries must not read."""
    lake = tmp_path / "it's a lake"
    await write(lake, [row(0, enriched("a"))])
    (tmp_path / "secret.csv").write_text("password\nhunter2\n")
    return lake


def _files(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


REACHING = [
    "select * from read_csv('{outside}/secret.csv')",
    "select * from '{outside}/secret.csv'",
    "select * from read_csv('{lake}/../secret.csv')",
    "select * from read_text('/etc/passwd')",
    "select * from glob('{outside}/*')",
    "select * from read_blob('/proc/self/environ')",
    "select * from 'https://example.com/posts.csv'",
    "select * from read_parquet('s3://bucket/posts.parquet')",
    "select getenv('HOME')",
    "select * from duckdb_secrets()",
    "select * from REACHING",
    "copy posts to '{outside}/stolen.csv'",
    "copy posts to '{lake}/posts.csv'",
    "explain analyze copy posts to '{lake}/posts.csv'",
    "with written as (copy posts to '{lake}/posts.csv') select * from written",
    "select * from query('with written as (copy posts to ''{lake}/posts.csv'') select 1')",
    "export database '{lake}/exported'",
    "attach '{lake}/one.db'",
    "attach '{outside}/one.db'",
    "install httpfs",
    "load httpfs",
    "set enable_external_access = true",
    "reset lock_configuration",
    "pragma enable_profiling",
    "call enable_logging(storage = 'file', storage_config = {{'path': '{outside}/log'}})",
    "prepare theft as copy posts to '{lake}/posts.csv'; execute theft",
    "select 1; copy posts to '{outside}/stolen.csv'",
    "create table kept as select * from posts",
]


@pytest.mark.parametrize("sql", REACHING)
def test_a_query_reads_the_lake_and_writes_nothing(lake: Path, sql: str) -> None:
    before = _files(lake.parent)
    with pytest.raises(BadInput):
        list(ask(lake, sql.format(lake=str(lake).replace("'", "''"), outside=lake.parent)).rows)
    assert _files(lake.parent) == before


@pytest.mark.parametrize(
    "sql",
    [
        "select * from posts",
        "from posts; -- with a remark",
        "describe posts",
        "summarize posts",
        "show tables",
        "with ids as (select id from posts) select count(*) from ids",
        "select hashtag, sum(posts) from minutes group by all order by all",
        "select created_at at time zone 'Europe/Berlin', time_bucket(interval 10 minutes, created_at) from posts",
        "select explanation->>'terms' from spikes",
        "pivot posts on language in ('en', 'de') using count(*)",
    ],
)
def test_statements_that_only_read_the_lake_are_answered(lake: Path, sql: str) -> None:
    answer = ask(lake, sql)
    assert len(answer.columns) > 0
    list(answer.rows)


def test_what_a_locked_query_cannot_do_is_refused_with_a_hint(lake: Path) -> None:
    for sql in ("copy posts to 'posts.csv'", "select * from 'posts.csv'"):
        with pytest.raises(BadInput, match="--unlocked"):
            ask(lake, sql)


def test_an_unlocked_query_reads_and_writes_files(lake: Path) -> None:
    target = lake.parent / "posts.csv"
    assert list(ask(lake, f"copy (select id from posts) to '{target}'", unlocked=True).rows) == [(1,)]
    assert target.read_text() == "id\na\n"
    assert list(ask(lake, f"create table t as from '{target}'; select * from t", unlocked=True).rows) == [("a",)]
    assert list(ask(lake, "set threads = 1", unlocked=True).rows) == []


@pytest.mark.parametrize("unlocked", [False, True])
@pytest.mark.parametrize("sql", ["", "  ", ";", "-- nothing", "/* nothing */;"])
def test_an_empty_query_is_refused(tmp_path: Path, sql: str, unlocked: bool) -> None:
    with pytest.raises(BadInput, match="the query is empty"):
        ask(tmp_path, sql, unlocked=unlocked)


@pytest.mark.parametrize(
    "sql", ["select '\udcff'", "select interval '2000000000 months'", "select ?", "select chr(55296)"]
)
def test_no_query_causes_a_traceback(tmp_path: Path, sql: str) -> None:
    with pytest.raises(BadInput, match="the query failed"):
        list(ask(tmp_path, sql, unlocked=True).rows)


@pytest.mark.parametrize("unlocked", [False, True])
def test_each_column_has_a_unique_name(tmp_path: Path, unlocked: bool) -> None:
    answer = ask(tmp_path, "select 1 as a, 2 as a, 3 as a_1, 4 as a", unlocked=unlocked)
    assert len(set(answer.columns)) == len(answer.columns) == 4
    assert answer.columns[:2] == ["a", "a_1"]
    assert list(answer.rows) == [(1, 2, 3, 4)]


async def test_times_say_whether_they_are_utc(tmp_path: Path) -> None:
    settings = own_settings("127.0.0.1:1", tmp_path)
    await write(settings.lake.path, [row(0, enriched("a"))])
    sql = "select created_at, created_at at time zone 'Europe/Berlin' as here, 1 as a, 2 as a from posts"
    done = run_tagpulse("query", "--json", sql, settings=settings)
    assert json.loads(done.stdout) == {
        "created_at": "2026-06-20T09:30:00Z",
        "here": "2026-06-20T11:30:00",
        "a": 1,
        "a_1": 2,
    }


async def test_the_command_unlocks_a_query_only_on_request(tmp_path: Path) -> None:
    settings = own_settings("127.0.0.1:1", tmp_path)
    await write(settings.lake.path, [row(0, enriched("a"))])
    sql = "select content from read_text('/etc/hostname')"
    assert run_tagpulse("query", sql, settings=settings).returncode == 65
    assert run_tagpulse("query", "--unlocked", sql, settings=settings).returncode == 0
