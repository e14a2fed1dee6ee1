"""How files, and messages stored elsewhere, become the items of a replay."""

from __future__ import annotations

import gzip
from datetime import timedelta
from pathlib import Path

import pytest

from streams.contracts import decode_raw
from streams.errors import BadMessage
from streams.replay.files import FileReader
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
