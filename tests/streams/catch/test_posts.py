"""The posts that topics are tried on: of a recent span of a lake, or of files."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from streams.catch import FoundPosts, read_files, read_lake
from streams.errors import BadInput, SettingsError
from tests.streams.compare.two_runs import START, enriched, write_run


def read(lake: Path, run: str = "live", *, most: int = 100, **wanted: object) -> FoundPosts:
    chosen = {"since": None, "until": None, "hashtag": None} | wanted
    return read_lake(lake, run, most=most, **chosen)  # type: ignore[arg-type]


async def test_the_last_day_with_posts_is_read_by_default(tmp_path: Path) -> None:
    posts = [enriched(str(day), days=day, hashtags=("k9",) if day % 2 else ("poltwt",)) for day in range(5)]
    await write_run(tmp_path, "live", posts)
    found = read(tmp_path)
    assert [post.id for post in found.posts] == ["3", "4"]
    assert (found.found, found.first, found.last) == (2, START + timedelta(days=3), START + timedelta(days=4))
    assert [post.id for post in read(tmp_path, since=START).posts] == ["0", "1", "2", "3", "4"]
    assert [post.id for post in read(tmp_path, until=START + timedelta(days=2)).posts] == ["0", "1"]
    assert [post.id for post in read(tmp_path, hashtag="k9").posts] == ["3"]


async def test_a_sample_is_the_same_each_time(tmp_path: Path) -> None:
    await write_run(tmp_path, "live", [enriched(str(number)) for number in range(50)])
    first, again = read(tmp_path, most=9), read(tmp_path, most=9)
    assert (len(first.posts), first.found) == (9, 50)
    assert first == again


async def test_without_posts_the_runs_are_named(tmp_path: Path) -> None:
    await write_run(tmp_path, "live", [enriched("a")])
    for wanted in ({"run": "other"}, {"hashtag": "x"}, {"since": START + timedelta(days=9)}):
        with pytest.raises(BadInput, match="holds no such posts of the run"):
            read(tmp_path, **wanted)
    with pytest.raises(SettingsError):
        read(tmp_path / "nowhere")


def test_files_are_read_without_their_unreadable_lines(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    lines = [
        json.dumps({"source": "test", "id": str(n), "text": f"post {n}", "created_at": f"2026-06-20T10:0{n}:00Z"})
        for n in range(5)
    ]
    path.write_text("\n".join([*lines, "no post"]), "utf-8")
    found = read_files([str(path)], max_line_bytes=10_000, most=10)
    assert [post.text for post in found.posts] == [f"post {n}" for n in range(5)]
    assert (found.found, found.unreadable) == (5, 1)
    assert found.first
    assert found.last
    assert (found.first.minute, found.last.minute) == (0, 4)
    few = read_files([str(path)], max_line_bytes=10_000, most=2)
    assert (len(few.posts), few.found) == (2, 5)
    assert few == read_files([str(path)], max_line_bytes=10_000, most=2)


def test_a_file_without_posts_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    path.write_text("no post\n")
    with pytest.raises(BadInput, match=r"day\.jsonl: no posts among 1 lines: malformed"):
        read_files([str(path)], max_line_bytes=10_000, most=2)
