from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from streams.errors import BadInput
from streams.spikes import MinuteCounts
from streams.spikes.history import by_minute, read_file, read_lines

LINE: dict[str, Any] = {
    "minute": "2026-11-01T09:31:00Z",
    "hashtag": "poltwt",
    "posts": 41,
    "negative": 9,
    "neutral": 20,
    "positive": 12,
}


def lines(*changed: dict[str, Any]) -> list[bytes]:
    return [json.dumps(LINE | change).encode() for change in changed]


def test_lines_become_counts() -> None:
    (found,) = read_lines([*lines({}), b"\n"], "f")
    assert found == MinuteCounts(datetime(2026, 11, 1, 9, 31, tzinfo=UTC), "poltwt", 41, 9, 20, 12)
    (found,) = read_lines(lines({"independent_posts": 30, "independent_negative": 8, "other": 1}), "f")
    assert found.independent == (30, 8)


def test_other_zones_are_read() -> None:
    (found,) = read_lines(lines({"minute": "2026-11-01T10:31:00+01:00"}), "f")
    assert found.minute == datetime(2026, 11, 1, 9, 31, tzinfo=UTC)
    assert found.minute.tzinfo is UTC


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"minute": "2026-11-01T09:30:00Z"}, "sort by time"),
        ({}, "second line"),
        ({"minute": "2026-11-01T09:32:10Z"}, "start of a minute"),
        ({"minute": "2026-11-01T09:32:00"}, "timezone"),
        ({"minute": "1960-11-01T09:32:00Z"}, "1970"),
        ({"hashtag": "", "minute": "2026-11-01T09:32:00Z"}, "hashtag"),
        ({"hashtag": "b", "negative": 30}, "41 posts"),
        ({"hashtag": "b", "posts": -1}, "posts"),
        ({"hashtag": "b", "independent_posts": 3}, "together"),
        ({"hashtag": "b", "independent_posts": 3, "independent_negative": 4}, "4 of 3"),
    ],
)
def test_bad_lines_are_named(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=f"^f:2: .*{message}"):
        list(read_lines(lines({}, bad), "f"))


@pytest.mark.parametrize("bad", [b"{", b"\xff\xfe", b"[]", b'{"minute": 1}', b'"' + b"x" * 9])
def test_no_line_causes_an_internal_error(bad: bytes) -> None:
    with pytest.raises(BadInput, match=r"^f:2: "):
        list(read_lines([b"", bad], "f"))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        list(read_file(tmp_path / "none"))


def test_hashtags_of_a_minute_come_together() -> None:
    found = list(by_minute(read_lines(lines({}, {"hashtag": "b"}, {"minute": "2026-11-01T09:33:00Z"}), "f")))
    assert [(minute.minute, [each.hashtag for each in counts]) for minute, counts in found] == [
        (31, ["poltwt", "b"]),
        (33, ["poltwt"]),
    ]
