"""Posts and their deletions: keys, record times, and one encoding."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from streams.contracts import Deletion, Engagement, Post, decode_raw, encode, record_time_ms

NOON = datetime(2024, 6, 3, 12, tzinfo=UTC)


def a_post(**fields: Any) -> Post:
    wanted: dict[str, Any] = {"source": "file", "id": "1", "text": "hello", "created_at": NOON} | fields
    return Post(**wanted)


def test_all_messages_about_a_post_have_the_same_key() -> None:
    post = a_post(id="a:b")
    assert post.key == Deletion(source="file", id="a:b", deleted_at=NOON).key == b"file:a:b"


def test_the_record_time_is_never_after_the_collection_nor_before_the_epoch() -> None:
    minute = timedelta(minutes=1)
    assert record_time_ms(a_post(), collected_at=NOON + minute) == NOON.timestamp() * 1000
    assert record_time_ms(a_post(created_at=NOON + 2 * minute), collected_at=NOON) == NOON.timestamp() * 1000
    assert record_time_ms(a_post(created_at=datetime(1, 1, 1, tzinfo=UTC)), collected_at=NOON) == 0
    deletion = Deletion(source="file", id="1", deleted_at=NOON)
    assert record_time_ms(deletion, collected_at=NOON + minute) == NOON.timestamp() * 1000


def test_equal_posts_are_encoded_alike() -> None:
    post = a_post()
    assert encode(a_post(engagement=Engagement())) == encode(post)
    read_back = decode_raw(encode(post).replace(b'"text"', b'"engagement":{},"text"'))
    assert encode(read_back) == encode(post)
