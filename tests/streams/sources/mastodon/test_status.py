"""Parsing of Mastodon events, which never fails, whatever the bytes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.contracts import Deletion, Engagement, Post, decode_raw, encode
from streams.sources.base import MAX_FRAME_BYTES, Content, Unreadable
from streams.sources.mastodon.status import MastodonParser
from streams.sources.tags import Tags
from streams.sources.wire import event_frame
from tests.helpers.mastodon import status, update

NOW = datetime(2026, 8, 1, 13, tzinfo=UTC)
ORIGIN = "example.social"


def read(value: bytes, *tags: str) -> list[Content]:
    return MastodonParser(Tags(tags or ("poltwt",))).read(value, ORIGIN, NOW)


def post(**fields: Any) -> Post:
    [content] = read(event_frame("update", json.dumps(status(1, **fields)).encode()))
    assert isinstance(content, Post)
    return content


def test_a_complete_post() -> None:
    found = post(
        content='<p>Wer hilft <span class="h-card"><a href="https://b.example/@bob" class="u-url mention">@<span>bob</span>'
        '</a></span>? :k9:</p><p><a href="https://example.social/tags/PolTwt" class="mention hashtag">#<span>PolTwt</span></a></p>',
        spoiler_text="Hunde",
        poll={"options": [{"title": "ja"}, {"title": "nein"}, 5]},
        media_attachments=[{"type": "image"}, {"type": "gifv"}, {"type": "unknown"}, None],
        card={"url": "https://e.org"},
        quote={"state": "accepted"},
        language="de",
        tags=[{"name": "PolTwt"}, {"name": "K9"}],
        in_reply_to_id="17",
        favourites_count=3,
        reblogs_count=2,
        replies_count=-1,
    )
    assert found == Post(
        source="mastodon",
        id="https://example.social/users/anna/statuses/1",
        text="Hunde\n\nWer hilft @bob? :k9:\n\n#PolTwt\n\n- ja\n- nein",
        created_at=datetime(2026, 8, 1, 12, 0, 1, tzinfo=UTC),
        author="anna@example.social",
        hashtags=("poltwt", "k9"),
        language_hint="de",
        media=("image", "video", "poll", "quote", "link"),
        reply_to="example.social/17",
        engagement=Engagement(likes=3, reposts=2),
        url="https://example.social/@anna/1",
        collected_at=NOW,
    )


def test_a_boost_is_a_repost_with_the_text_of_the_original() -> None:
    original = status(5, text="the dogs #poltwt", account={"acct": "bob@b.example"})
    found = post(content="", tags=[], reblog=original)
    assert (found.text, found.author, found.repost_of) == ("the dogs #poltwt", "anna@example.social", original["uri"])
    assert found.hashtags == ("poltwt",)


def test_a_boost_of_a_post_that_is_not_public_is_left_out() -> None:
    frame = event_frame("update", json.dumps(status(1, reblog=status(5, visibility="private"))).encode())
    assert read(frame) == []


def test_a_reply_to_a_known_post_names_it() -> None:
    parser = MastodonParser(Tags(["poltwt"]))
    first, answer = status(1), status(2, in_reply_to_id="1001")
    for written in (first, answer):
        [content] = parser.read(event_frame("update", json.dumps(written).encode()), ORIGIN, NOW)
    assert isinstance(content, Post)
    assert content.reply_to == first["uri"]


def test_a_deletion_that_arrives_first_removes_the_post_from_another_instance() -> None:
    parser = MastodonParser(Tags(["poltwt"]))
    [given] = parser.read(update(0), "one", NOW)
    assert isinstance(given, Post)
    assert parser.read(b"event: delete\ndata: 77", "two", NOW) == []
    frame = update(0, id="77")
    assert parser.read(frame, "two", NOW) == [Deletion(source="mastodon", id=given.id, deleted_at=NOW)]


@pytest.mark.parametrize("created_at", [None, 5, "yesterday", "0001-01-01T00:00:00+14:00", {}])
def test_an_implausible_time_is_replaced_by_ours(created_at: Any) -> None:
    found = post(created_at=created_at)
    assert (found.created_at, found.created_at_is_estimate) == (NOW, True)


@pytest.mark.parametrize("edited_at", ["0999-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_an_edit_with_a_wrong_time_does_not_outlive_its_deletion(edited_at: str) -> None:
    parser = MastodonParser(Tags(["poltwt"]))
    frame = event_frame("status.update", json.dumps(status(1, edited_at=edited_at)).encode())
    [edit] = parser.read(frame, ORIGIN, NOW)
    assert parser.read(frame, "another.example", NOW + timedelta(minutes=1)) == []  # the same edit
    [gone] = parser.read(event_frame("delete", b"1001"), ORIGIN, NOW + timedelta(minutes=2))
    assert isinstance(edit, Post)
    assert edit.edited_at == NOW
    assert isinstance(gone, Deletion)
    assert gone.deleted_at > edit.edited_at


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"event: update\ndata: {", "malformed"),
        (b"event: update\ndata: []", "invalid"),
        (event_frame("update", json.dumps(status(1, uri="")).encode()), "invalid"),
        (event_frame("update", json.dumps(status(1, content=5)).encode()), "invalid"),
        (event_frame("update", b"[" * 100_000), "invalid"),
        (event_frame("update", b'{"id":"1","uri":"u","tags":' + b"[" * 100_000), "malformed"),
    ],
)
def test_an_unreadable_event_has_a_reason(value: bytes, reason: str) -> None:
    [content] = read(value)
    assert isinstance(content, Unreadable)
    assert (content.reason, content.value) == (reason, value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([*status(1), "edited_at", "poll", "card", "media_attachments", "reblog", "in_reply_to_id"])


@settings(max_examples=50)
@given(st.dictionaries(FIELDS, JSON), st.sampled_from(["update", "status.update", "delete", "x"]))
def test_any_status_yields_a_message_or_a_refusal(fields: dict[str, Any], name: str) -> None:
    try:
        data = json.dumps(status(1, **fields), ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate cannot be encoded
        return
    for content in read(event_frame(name, data)):
        if isinstance(content, Post | Deletion):
            assert decode_raw(encode(content)) == content


WHOLE = event_frame("update", json.dumps(status(1)).encode())


@given(
    st.binary()
    | st.builds(lambda at, byte: WHOLE[:at] + byte + WHOLE[at + 1 :], st.integers(0, len(WHOLE)), st.binary(max_size=2))
)
def test_any_bytes_yield_a_message_a_refusal_or_nothing(value: bytes) -> None:
    for content in read(value):
        assert isinstance(content, Post | Deletion | Unreadable)
        if isinstance(content, Post | Deletion):
            assert decode_raw(encode(content)) == content


@pytest.mark.parametrize("length", [0, 101, 1_000_000])
def test_a_deletion_without_a_sane_id_is_reported_and_not_remembered(length: int) -> None:
    [content] = read(event_frame("delete", b"9" * length))
    assert isinstance(content, Unreadable)
    assert content.reason == "invalid"


def test_a_frame_too_large_for_kafka_is_cut_and_not_decoded() -> None:
    [content] = read(event_frame("update", json.dumps(status(1, text="x" * MAX_FRAME_BYTES)).encode()))
    assert isinstance(content, Unreadable)
    assert (content.reason, len(content.value)) == ("oversize", MAX_FRAME_BYTES)
