"""The selection of messages for a replay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import Deletion, Post, encode
from streams.replay.selection import Selection, Selector, hashtags_of
from streams.runtime.lossless import Record

NOON = datetime(2026, 6, 20, 12, tzinfo=UTC)


def item(message: Post | Deletion | bytes, *, offset: int = 0, partition: int = 0, seconds: float = 0) -> Record:
    value = message if isinstance(message, bytes) else encode(message)
    time_ms = int((NOON + timedelta(seconds=seconds)).timestamp() * 1000)
    return Record("posts.raw", partition, offset, time_ms, b"k", value, ())


def post(post_id: str, *hashtags: str, source: str = "x") -> Post:
    return Post(source=source, id=post_id, text="", created_at=NOON, hashtags=hashtags)


@given(seconds=st.lists(st.integers(-100, 100)), since=st.integers(-100, 100), length=st.integers(0, 100))
def test_since_is_inclusive_and_until_exclusive(seconds: list[int], since: int, length: int) -> None:
    start = NOON + timedelta(seconds=since)
    selector = Selector(Selection(since=start, until=start + timedelta(seconds=length)))
    chosen = [second for second in seconds if selector.chooses(item(post("a"), seconds=second))]
    assert chosen == [second for second in seconds if since <= second < since + length]


def test_a_deletion_and_an_edit_go_with_their_post() -> None:
    selector = Selector(Selection(hashtags=frozenset({"poltwt"})))
    deletion = Deletion(source="x", id="a", deleted_at=NOON)
    assert not selector.chooses(item(deletion)), "its post was not chosen"
    assert not selector.chooses(item(post("b", "other")))
    assert selector.chooses(item(post("a", "other", "poltwt")))
    assert selector.chooses(item(post("a", "other"))), "an edit that takes the hashtag away"
    assert selector.chooses(item(deletion))
    assert not selector.chooses(item(Deletion(source="y", id="a", deleted_at=NOON)))


def test_sources_are_selected_and_unreadable_records_are_counted() -> None:
    selector = Selector(Selection(sources=frozenset({"x"})))
    assert selector.chooses(item(post("a")))
    assert selector.chooses(item(Deletion(source="x", id="never seen", deleted_at=NOON)))
    assert not selector.chooses(item(post("a", source="y")))
    assert not selector.chooses(item(b"{"))
    assert selector.unreadable == 1
    assert Selector(Selection()).chooses(item(b"{")), "without a choice by content a bad record is replayed too"


def test_offsets_leave_the_other_partitions_out() -> None:
    selector = Selector(Selection(offsets={1: (5, 7)}))
    assert [offset for offset in range(10) if selector.chooses(item(post("a"), offset=offset, partition=1))] == [
        5,
        6,
        7,
    ]
    assert not selector.chooses(item(post("a"), offset=5, partition=0))


def test_the_hashtags_of_any_bytes() -> None:
    assert hashtags_of(encode(post("a", "one", "two"))) == ("one", "two")
    assert hashtags_of(encode(Deletion(source="x", id="a", deleted_at=NOON))) == ()
    assert hashtags_of(None) == hashtags_of(b"\xff") == ()
