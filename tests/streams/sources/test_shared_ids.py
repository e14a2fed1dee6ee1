"""Different posts that share an id are found; repetitions of the same post do not count."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from streams.contracts import Post
from streams.sample_day import sample_day
from streams.sources.shared_ids import SharedIds

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)


def post(**fields: Any) -> Post:
    usual: dict[str, Any] = {"source": "x", "id": "3.96E+17", "text": "one", "created_at": NOON}
    return Post(**usual | fields)


def test_another_text_or_author_under_one_id_is_found() -> None:
    ids = SharedIds()
    assert not ids.add(post())
    assert ids.add(post(text="two"))
    assert ids.add(post(text="three"))
    assert ids.add(post(text="three", author="anna"))


def test_repetitions_edits_and_other_networks_do_not_count() -> None:
    ids = SharedIds()
    assert not any(map(ids.add, [post(), post(collected_at=NOON), post(text="two", edited_at=NOON), post(source="y")]))
    assert not any(ids.add(message) for message in sample_day() if isinstance(message, Post))


def test_the_oldest_are_forgotten_when_the_memory_is_full() -> None:
    ids = SharedIds(1_000)
    assert not any(ids.add(post(id=str(number))) for number in range(100))
    assert not ids.add(post(id="0", text="another")), "forgotten"
    assert ids.add(post(id="99", text="another"))
