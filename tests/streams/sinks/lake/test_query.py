"""Queries show each post once, in its newest version, and no deleted posts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streams.errors import BadInput
from streams.sinks.lake.query import ask
from tests.helpers.brokers import own_settings
from tests.helpers.lake import write
from tests.helpers.processes import run_tagpulse
from tests.helpers.rows import enriched, row

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


def test_an_empty_lake_has_the_columns_and_no_rows(tmp_path: Path) -> None:
    answer = ask(tmp_path, "select * from posts")
    assert set(answer.columns) >= OFFERED
    assert list(answer.rows) == []


def test_a_wrong_query_is_an_error_with_duckdbs_message(tmp_path: Path) -> None:
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
    """Return a lake with one post, next to a file that queries must not read."""
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


def test_a_locked_query_is_refused_other_files_with_a_hint(lake: Path) -> None:
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


async def test_more_rows_than_are_fetched_at_once_are_all_returned(tmp_path: Path) -> None:
    answer = ask(tmp_path, "select range from range(25_000)")
    assert [number for (number,) in answer.rows] == list(range(25_000))
