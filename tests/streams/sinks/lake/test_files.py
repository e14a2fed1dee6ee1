"""Files are read, written and replaced while other processes read and write them."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streams.errors import BadInput
from streams.sinks.lake.columns import POST_SCHEMA, to_table
from streams.sinks.lake.files import (
    already_stored,
    base_name,
    column_names,
    describe,
    every_file,
    files_of,
    read_table,
    replace,
    require_run,
    runs_of,
    write_table,
)
from streams.sinks.lake.folders import POSTS, Span
from streams.sinks.lake.local_storage import LocalStorage
from streams.sinks.lake.spikes import keep_spikes
from tests.helpers.lake import store_run, write
from tests.helpers.rows import deletion, enriched, row
from tests.helpers.spikes import published


async def test_each_file_has_a_unique_id(tmp_path: Path) -> None:
    await write(tmp_path, [row(0, enriched("a"))])
    await write(tmp_path, [row(1, enriched("b"))])
    storage = LocalStorage(tmp_path)
    ids = [describe(storage, name)[0] for name in storage.files(POSTS)]
    assert len({*ids, ""}) == 3


SPAN = Span("posts.enriched", 0, 0, 9)
FOLDER = "posts/run=live/date=2026-06-20/hour=09"
NAME = f"{FOLDER}/{SPAN.file_name()}"


def posts(*ids: str) -> pa.Table:
    return to_table([row(offset, enriched(post_id)) for offset, post_id in enumerate(ids)], POST_SCHEMA)


def test_a_base_name_has_no_folder() -> None:
    assert base_name(NAME) == "posts.enriched-0-000000000000-000000000009.parquet"
    assert base_name("one") == "one"


def test_a_file_is_read_back_whole_or_by_columns(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    write_table(storage, NAME, posts("a", "b"))
    assert read_table(storage, NAME).equals(posts("a", "b"))
    some = read_table(storage, NAME, ["id", "source", "no such column"])
    assert some.to_pydict() == {"source": ["test", "test"], "id": ["a", "b"]}, "in the order of the schema"
    assert column_names(storage, NAME) == tuple(POST_SCHEMA.names)


def test_a_column_that_an_earlier_version_did_not_write_is_null(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    write_table(storage, NAME, posts("a", "b").drop_columns(["media", "likes"]))
    assert "media" not in column_names(storage, NAME)
    whole = read_table(storage, NAME)
    assert whole.schema == POST_SCHEMA
    assert (whole.column("media").to_pylist(), whole.column("likes").to_pylist()) == ([None] * 2, [None] * 2)
    assert read_table(storage, NAME, ["media"]).to_pydict() == {"media": [None, None]}


@pytest.mark.parametrize("content", [b"", b"no Parquet", b"PAR1PAR1"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    storage = LocalStorage(tmp_path)
    storage.write(NAME, pa.py_buffer(content))
    for read in (read_table, describe, column_names):
        with pytest.raises(BadInput, match=rf"{re.escape(str(tmp_path))}/{NAME} is damaged: move it out of the lake"):
            read(storage, NAME)
    with pytest.raises(FileNotFoundError):
        read_table(storage, f"{FOLDER}/another.parquet")


def test_a_file_names_the_files_that_it_replaces(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    write_table(storage, NAME, posts("a"))
    file_id, replaces = describe(storage, NAME)
    assert (len(file_id), replaces) == (32, {})
    other = f"{FOLDER}/{SPAN.rewritten_name()}"
    write_table(storage, other, posts("a"), {base_name(NAME): file_id})
    assert describe(storage, other)[1] == {base_name(NAME): file_id}
    assert describe(storage, other)[0] != file_id
    pq.write_table(posts("a"), tmp_path / NAME)
    assert describe(storage, NAME) == ("", {}), "an earlier version wrote no id"


def test_old_files_are_replaced_by_those_that_have_rows(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    spans = [Span("posts.enriched", 0, first, first + 1) for first in (0, 2)]
    for span in spans:
        write_table(storage, f"{FOLDER}/{span.file_name()}", posts("a", "b"))
    old = {span.file_name(): describe(storage, f"{FOLDER}/{span.file_name()}")[0] for span in spans}
    whole = Span("posts.enriched", 0, 0, 3)
    replace(storage, FOLDER, old, {whole: posts("a"), Span("posts.enriched", 1, 0, 3): posts()})
    (file,) = files_of(storage, POSTS)
    assert (file.span, describe(storage, file.name)[1]) == (whole, old)
    assert read_table(storage, file.name).equals(posts("a"))
    replace(storage, FOLDER, {base_name(file.name): ""}, {})
    assert files_of(storage, POSTS) == []


def test_rows_of_overlapping_files_are_already_stored(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    assert already_stored(storage, FOLDER, SPAN) == (set(), 0)
    write_table(storage, NAME, posts("a", "b"))
    rows = {(0, "test", "a"), (1, "test", "b")}
    assert already_stored(storage, FOLDER, SPAN) == (rows, 1)
    assert already_stored(storage, FOLDER, SPAN._replace(first=9, last=20)) == (rows, 0)
    for other in (SPAN._replace(first=10, last=20), SPAN._replace(partition=1), SPAN._replace(topic="another")):
        assert already_stored(storage, FOLDER, other) == (set(), 0)
    write_table(storage, f"{FOLDER}/{SPAN.file_name(1)}", posts("x"))
    assert already_stored(storage, FOLDER, SPAN) == (rows | {(0, "test", "x")}, 2)


async def test_runs_and_files_of_all_kinds_are_listed(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    assert (every_file(storage), runs_of(storage)) == ([], [])
    with pytest.raises(BadInput, match=rf"there is no run 'live' in the lake {re.escape(str(tmp_path))}: it is empty"):
        require_run(storage, "live")
    await store_run(tmp_path, "live", enriched("a"))
    await store_run(tmp_path, "again", deletion("a"))
    keep_spikes(storage, "spikes-only", [published()])
    (tmp_path / POSTS / "notes.txt").touch()
    assert runs_of(storage) == ["again", "live", "spikes-only"]
    assert [name.partition("/")[0] for name in every_file(storage)] == ["posts", "deletions", "spikes"]
    for run in runs_of(storage):
        require_run(storage, run)
    with pytest.raises(
        BadInput, match=r"there is no run 'liv' in the lake .*: available runs: again, live, spikes-only"
    ):
        require_run(storage, "liv")
