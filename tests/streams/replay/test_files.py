"""How files, and messages stored elsewhere, become the items of a replay."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from streams.contracts import Deletion, Post, decode_raw
from streams.errors import BadInput, BadMessage
from streams.replay.files import FileReader, MessageReader
from streams.replay.reader import Bounds
from streams.runtime.lossless import Record
from tests.helpers.posts import START, raw_posts


def test_files_become_items_with_their_bad_lines(tmp_path: Path) -> None:
    day = tmp_path / "day.jsonl.gz"
    lines = [value or b"" for _, value in raw_posts(range(5))]
    with gzip.open(day, "wb") as file:
        file.write(b"\n".join([*lines[:2], b"{oops", *lines[2:]]) + b"\n")
    items = [item for items in FileReader([str(day)], max_line_bytes=10_000).items(in_time=True) for item in items]
    assert [item.offset for item in items] == list(range(6))
    assert items[2].value == b"{oops"
    assert [decode_raw(item.value) for item in items if item.offset != 2] == [decode_raw(line) for line in lines]
    assert items[-1].timestamp_ms == int((START + timedelta(seconds=1)).timestamp() * 1000)
    again = [item for items in FileReader([str(day)], max_line_bytes=10_000).items(in_time=False) for item in items]
    assert [item.location for item in again] == [item.location for item in items]


def test_a_refused_time_in_a_file_stays_refused(tmp_path: Path) -> None:
    day = tmp_path / "day.jsonl"
    line = b'{"source":"file","id":"1","text":"hello","created_at":"2999-01-01T00:00:00Z"}'
    day.write_bytes(line + b"\n")
    [[item]] = FileReader([str(day)], max_line_bytes=10_000).items(in_time=False)
    assert item.value == line
    with pytest.raises(BadMessage, match="invalid: created_at is in the future: 2999"):
        decode_raw(item.value, item.headers)


def test_the_items_of_several_files_are_numbered_through(tmp_path: Path) -> None:
    first, second = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    lines = [value for _, value in raw_posts(range(5))]
    first.write_bytes(b"\n".join(lines[:2]))
    second.write_bytes(b"\n".join(lines[2:]))
    reader = FileReader([str(first), str(second)], max_line_bytes=10_000)
    assert reader.bounds == [Bounds(f"file:{first},{second}", 0, 0, None)]
    assert reader.partitions is None
    items = [item for items in reader.items(in_time=True) for item in items]
    assert [item.location for item in items] == [f"file:{first},{second}[0]@{number}" for number in range(5)]
    assert [item.value for item in items] == lines


def test_a_long_line_is_cut_and_refused(tmp_path: Path) -> None:
    day = tmp_path / "day.jsonl"
    [(_, line)] = raw_posts([0])
    day.write_bytes(line[:-1] + b" " * 1_000 + b"}\n" + line + b"\n")
    reader = FileReader([str(day)], max_line_bytes=500)
    cut, whole = [item for items in reader.items(in_time=False) for item in items]
    assert len(cut.value or b"") <= 500
    assert cut.key is None
    with pytest.raises(BadMessage, match="oversize"):
        decode_raw(cut.value, cut.headers)
    assert whole.value == line


def test_a_reader_that_is_abandoned_early_can_be_read_again(tmp_path: Path) -> None:
    day = tmp_path / "day.jsonl"
    day.write_bytes(b"\n".join(value for _, value in raw_posts(range(2_000))))
    items = FileReader([str(day)], max_line_bytes=10_000).items(in_time=False)
    assert next(items)[0].offset == 0
    items.close()  # type: ignore[attr-defined]
    again = FileReader([str(day)], max_line_bytes=10_000)
    assert sum(len(block) for block in again.items(in_time=False)) == 2_000


def test_a_file_that_does_not_exist_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nowhere"):
        FileReader([str(tmp_path / "nowhere.jsonl")], max_line_bytes=10_000)


def read(messages: Sequence[Post | Deletion]) -> list[Record]:
    blocks = list(MessageReader("lake:live", messages).items(in_time=True))
    assert all(blocks), "no block is empty"
    return [item for block in blocks for item in block]


def test_messages_become_items_in_their_order() -> None:
    collected = START + timedelta(hours=1)
    post = Post(source="x", id="1", text="hello", created_at=START, collected_at=collected)
    late = Post(source="x", id="2", text="hello", created_at=START + timedelta(days=1), collected_at=collected)
    deletion = Deletion(source="x", id="1", deleted_at=START + timedelta(hours=2))
    items = read([post, late, deletion])
    assert [(item.topic, item.partition, item.offset, item.key) for item in items] == [
        ("lake:live", 0, 0, b"x:1"),
        ("lake:live", 0, 1, b"x:2"),
        ("lake:live", 0, 2, b"x:1"),
    ]
    assert [decode_raw(item.value, item.headers) for item in items] == [post, late, deletion]
    times = [datetime.fromtimestamp(item.timestamp_ms / 1000, UTC) for item in items]
    assert times == [START, collected, deletion.deleted_at], "no later than the collection"


def test_many_messages_and_none_are_read_to_their_end() -> None:
    posts = [Post(source="x", id=str(number), text="", created_at=START) for number in range(1_001)]
    assert [item.key for item in read(posts)] == [post.key for post in posts]
    assert read([]) == []
    assert MessageReader("lake:again", []).bounds == [Bounds("lake:again", 0, 0, None)]
