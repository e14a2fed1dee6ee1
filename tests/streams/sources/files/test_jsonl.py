from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import Deletion, Post, decode_raw, encode
from streams.sources.base import Unreadable
from streams.sources.files.jsonl import parse, with_hashtags
from streams.sources.files.lines import Line

NOON = "2026-08-01T12:00:00Z"


def line(post_id: str, **fields: object) -> bytes:
    return json.dumps({"source": "test", "id": post_id, "text": "hello", "created_at": NOON} | fields).encode()


def test_hashtags_are_extracted_only_if_the_line_has_none() -> None:
    def hashtags(value: bytes) -> tuple[str, ...]:
        post = parse(Line(1, value), "file:x")
        assert isinstance(post, Post)
        return post.hashtags

    assert hashtags(line("1", text="#PolTWT and #Züri")) == ("poltwt", "züri")
    assert hashtags(line("1", text="#PolTWT", hashtags=[])) == ()
    assert hashtags(line("1", text="#PolTWT", hashtags=["dogs"])) == ("dogs",)
    assert hashtags(line("1", text='"hashtags" #a1')) == ("a1",)


@pytest.mark.parametrize("field", ["text", "author", "hashtags"])
def test_a_value_that_looks_like_a_key_is_a_value(field: str) -> None:
    value: object = ["type", "hashtags"] if field == "hashtags" else 'a "type": or "hashtags" #fun'
    post = parse(Line(1, line("1", **{field: value})), "file:x")
    assert isinstance(post, Post), post


def test_given_hashtags_are_normalised() -> None:
    post = parse(Line(1, line("1", hashtags=["#PolTwt", "poltwt", "K9"], text="#other")), "file:x")
    assert isinstance(post, Post)
    assert post.hashtags == ("poltwt", "k9")


@given(st.lists(st.binary(max_size=60) | st.sampled_from([line("1"), b'{"type":', b"[" * 3_000, b'"\\ud800"'])))
def test_any_line_yields_a_post_or_a_refusal(values: list[bytes]) -> None:
    for value in values:
        content = parse(Line(1, value), "file:x")
        if isinstance(content, Unreadable):
            assert content.value == value
        else:
            assert decode_raw(encode(content)) == content


@pytest.mark.parametrize(
    ("value", "reason", "error"),
    [
        (b"{", "malformed", "truncated"),
        (b"\xff", "malformed", ""),
        (b"[]", "invalid", "Expected `object`"),
        (b"{}", "invalid", "missing required field"),
        (line("1", created_at="noon"), "invalid", "created_at"),
        (line("1", type="like"), "invalid", "like"),
        (line("1", type="deletion"), "invalid", "deleted_at"),
    ],
)
def test_a_line_that_is_not_a_post_keeps_its_bytes_and_has_a_reason(value: bytes, reason: str, error: str) -> None:
    found = parse(Line(7, value), "file:x")
    assert isinstance(found, Unreadable)
    assert (found.origin, found.number, found.value, found.reason) == ("file:x", 7, value, reason)
    assert error in found.error
    assert len(found.error) <= 300


def test_a_line_that_was_cut_is_not_parsed() -> None:
    found = parse(Line(7, line("1"), cut=5), "file:x")
    size = len(line("1"))
    assert found == Unreadable("file:x", 7, line("1"), "oversize", f"a line of {size + 5} bytes, cut to {size}")


def test_clocks_may_differ_by_a_minute() -> None:
    noon = datetime(2026, 8, 1, 12, tzinfo=UTC)
    assert isinstance(parse(Line(1, line("1")), "file:x", noon - timedelta(seconds=60)), Post)
    refused = parse(Line(1, line("1")), "file:x", noon - timedelta(seconds=61))
    assert isinstance(refused, Unreadable)
    assert refused.error == "created_at is in the future: 2026-08-01T12:00:00+00:00"


def test_a_deletion_names_its_type() -> None:
    value = json.dumps({"type": "deletion", "source": "test", "id": "1", "deleted_at": NOON}).encode()
    assert parse(Line(1, value), "file:x") == Deletion(
        source="test", id="1", deleted_at=datetime(2026, 8, 1, 12, tzinfo=UTC)
    )


def test_hashtags_come_from_the_text() -> None:
    post = parse(Line(1, line("1", hashtags=["old"])), "file:x")
    assert isinstance(post, Post)
    assert with_hashtags(post) is post, "without a # there is nothing to find"
