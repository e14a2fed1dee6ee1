"""Which messages a replay takes."""

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
def test_since_belongs_to_it_and_until_does_not(seconds: list[int], since: int, length: int) -> None:
    begin = NOON + timedelta(seconds=since)
    chooser = Selector(Selection(since=begin, until=begin + timedelta(seconds=length)))
    chosen = [second for second in seconds if chooser.chooses(item(post("a"), seconds=second))]
    assert chosen == [second for second in seconds if since <= second < since + length]


def test_a_deletion_and_an_edit_go_with_their_post() -> None:
    chooser = Selector(Selection(hashtags=frozenset({"poltwt"})))
    gone = Deletion(source="x", id="a", deleted_at=NOON)
    assert not chooser.chooses(item(gone)), "its post was not chosen"
    assert not chooser.chooses(item(post("b", "other")))
    assert chooser.chooses(item(post("a", "other", "poltwt")))
    assert chooser.chooses(item(post("a", "other"))), "an edit that takes the hashtag away"
    assert chooser.chooses(item(gone))
    assert not chooser.chooses(item(Deletion(source="y", id="a", deleted_at=NOON)))


def test_sources_are_chosen_and_what_cannot_be_read_is_counted() -> None:
    chooser = Selector(Selection(sources=frozenset({"x"})))
    assert chooser.chooses(item(post("a")))
    assert chooser.chooses(item(Deletion(source="x", id="never seen", deleted_at=NOON)))
    assert not chooser.chooses(item(post("a", source="y")))
    assert not chooser.chooses(item(b"{"))
    assert chooser.unreadable == 1
    assert Selector(Selection()).chooses(item(b"{")), "without a choice by content a bad record is replayed too"


def test_offsets_leave_the_other_partitions_out() -> None:
    chooser = Selector(Selection(offsets={1: (5, 7)}))
    assert [offset for offset in range(10) if chooser.chooses(item(post("a"), offset=offset, partition=1))] == [5, 6, 7]
    assert not chooser.chooses(item(post("a"), offset=5, partition=0))


def test_the_hashtags_of_anything() -> None:
    assert hashtags_of(encode(post("a", "one", "two"))) == ("one", "two")
    assert hashtags_of(encode(Deletion(source="x", id="a", deleted_at=NOON))) == ()
    assert hashtags_of(None) == hashtags_of(b"\xff") == ()
