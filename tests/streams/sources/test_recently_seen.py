"""The memory of recently seen keys is bounded in bytes, whatever the keys and values are."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime

import pytest

from streams.contracts import Post
from streams.sources.recently_seen import RecentlySeen

LIMIT = 2**20


def test_the_oldest_is_dropped_when_the_bytes_are_used_up() -> None:
    recent = RecentlySeen[str, None](LIMIT)
    for number in range(100):
        recent.add(f"{number} {'x' * 100_000}", None)
    kept = [key.partition(" ")[0] for key in recent]
    assert kept == [str(number) for number in range(100 - len(recent), 100)]
    assert 8 <= len(recent) <= 10


def test_a_repeated_key_is_the_newest_and_counts_once() -> None:
    recent = RecentlySeen[str, list[str]](LIMIT)
    recent.add("first", ["a"])
    recent.add("second", [])
    for _ in range(1_000):
        recent.add("first", ["x" * 10_000])
    assert list(recent) == ["second", "first"]


def test_an_entry_above_the_limit_is_not_kept() -> None:
    recent = RecentlySeen[str, str](LIMIT)
    recent.add("key", "x" * 2 * LIMIT)
    recent.add("next", "")
    assert list(recent) == ["next"]


@pytest.mark.parametrize("size", [1, 20, 300, 20_000])
@pytest.mark.parametrize("letter", ["x", "\N{POLICE CAR}"])
def test_the_size_is_the_memory_that_python_uses(size: int, letter: str) -> None:
    limit = 2 * LIMIT

    def text(number: int) -> str:
        return f"{number}{letter * size}"

    def post(number: int) -> Post:
        at = datetime.fromtimestamp(number, UTC)
        return Post(source="x", id=text(number), text=text(number), created_at=at, hashtags=(text(number),))

    tracemalloc.start()
    try:
        recent = RecentlySeen[str, tuple[Post, list[str]]](limit)
        for number in range(4 * limit // (5 * (size * len(letter.encode()) + 300))):
            recent.add(text(number), (post(number), [text(number)]))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(recent) > 4
    assert 0.5 * limit < taken < 1.2 * limit
