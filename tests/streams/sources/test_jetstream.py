"""Frames of the Jetstream: what they become, and that no bytes make the reader fail."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import Deletion, Post, decode_raw, encode
from streams.sources.base import Unreadable
from streams.sources.jetstream import ServerError, Tags, parse, time_of

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
TIME_US = 1_785_585_600_000_000 - 1_500_000
DID = "did:plc:abc"


def frame(text: str = "Good dog #PolTWT", operation: str = "create", rkey: str = "3lk", **record: Any) -> bytes:
    commit: dict[str, Any] = {"rev": "r1", "operation": operation, "collection": "app.bsky.feed.post", "rkey": rkey}
    if operation != "delete":
        written = {"$type": "app.bsky.feed.post", "createdAt": "2026-08-01T11:59:58.5Z", "text": text} | record
        commit |= {"record": written, "cid": "bafy"}
    whole = {"did": DID, "time_us": TIME_US, "kind": "commit", "commit": commit}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def read(value: bytes, *tags: str) -> Post | Deletion | Unreadable | None:
    return parse(value, Tags(tags or ("poltwt",)), lambda: NOW)[0]


def post(value: bytes, *tags: str) -> Post:
    content = read(value, *tags)
    assert isinstance(content, Post)
    return content


def test_a_post_with_all_it_holds() -> None:
    value = frame(
        "Wer hilft? #PolTWT",
        langs=["de", "en"],
        tags=["Polizei"],
        facets=[{"index": {}, "features": [{"$type": "app.bsky.richtext.facet#tag", "tag": "K9"}]}],
        reply={"parent": {"uri": "at://did:plc:other/app.bsky.feed.post/3aa", "cid": "b"}, "root": {}},
        embed={
            "$type": "app.bsky.embed.recordWithMedia",
            "record": {},
            "media": {"$type": "app.bsky.embed.images", "images": []},
        },
    )
    assert post(value) == Post(
        source="bluesky",
        id="did:plc:abc/3lk",
        text="Wer hilft? #PolTWT",
        created_at=datetime(2026, 8, 1, 11, 59, 58, 500_000, tzinfo=UTC),
        author=DID,
        hashtags=("polizei", "k9", "poltwt"),
        language_hint="de",
        media=("image",),
        reply_to="did:plc:other/3aa",
        url="https://bsky.app/profile/did:plc:abc/post/3lk",
        collected_at=NOW,
    )


@pytest.mark.parametrize(
    "value",
    [
        frame("#poltwt"),
        frame("#POLTWT!"),
        frame("＃poltwt"),
        frame("#ｐｏｌｔｗｔ"),
        frame("no sign", tags=["PolTwt"]),
        frame("no sign", facets=[{"features": [{"$type": "app.bsky.richtext.facet#tag", "tag": "polTwt"}]}]),
        frame("#poltwt").replace(b"#poltwt", b"\\u0023pol\\u0074wt"),
    ],
)
def test_finds_the_tag_however_it_is_written(value: bytes) -> None:
    assert post(value).hashtags == ("poltwt",)


@pytest.mark.parametrize(
    ("tag", "text"), [("ΟΔΟΣ", "#οδος"), ("οδος", "#ΟΔΟΣ"), ("हिन्दी", "#हिन्दी"), ("café", "#cafe\u0301")]
)
def test_finds_tags_of_other_scripts(tag: str, text: str) -> None:
    assert post(frame(text), tag).text == text


@pytest.mark.parametrize("text", ["poltwt", "#poltwts", "#other poltwt", "https://x.org/#poltwt", "dogs", ""])
def test_leaves_out_what_has_no_such_tag(text: str) -> None:
    assert read(frame(text)) is None


def test_without_tags_takes_every_post_with_one() -> None:
    every = Tags(())
    assert isinstance(parse(frame("#a"), every, lambda: NOW)[0], Post)
    assert parse(frame("a"), every, lambda: NOW)[0] is None


def test_edits_win_and_those_that_drop_the_tag_take_the_post_away() -> None:
    at = datetime(2026, 8, 1, 11, 59, 58, 500_000, tzinfo=UTC)
    edited = post(frame("Better #poltwt", "update"))
    assert (edited.text, edited.edited_at) == ("Better #poltwt", at)
    assert read(frame("no more", "update")) == Deletion(source="bluesky", id="did:plc:abc/3lk", deleted_at=at)


def test_passes_every_deletion_on() -> None:
    at = datetime(2026, 8, 1, 11, 59, 58, 500_000, tzinfo=UTC)
    assert read(frame(operation="delete")) == Deletion(source="bluesky", id="did:plc:abc/3lk", deleted_at=at)


@pytest.mark.parametrize("created_at", [None, 5, "yesterday", "0001-01-01T00:00:00+14:00", {}])
def test_a_useless_clock_gives_way_to_ours(created_at: Any) -> None:
    found = post(frame(createdAt=created_at))
    assert (found.created_at, found.created_at_is_estimate) == (NOW, True)


def test_keeps_what_the_authors_clock_said() -> None:
    found = post(frame(createdAt="2031-01-01T00:00:00+02:00"))
    assert (found.created_at, found.created_at_is_estimate) == (datetime(2030, 12, 31, 22, tzinfo=UTC), False)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\xff\xfe", "malformed"),
        (b"", "malformed"),
        (frame()[:-20], "malformed"),
        (frame()[:-5] + b"}", "malformed"),
        (b'{"kind":1,"tags":"#poltwt"}', "invalid"),
        (frame(text=5, tags=["poltwt"]), "invalid"),  # type: ignore[arg-type]
        (frame(rkey=""), "invalid"),
        (frame().replace(b'"create"', b'"destroy"'), "invalid"),
        (frame().replace(str(TIME_US).encode(), b"9" * 30), "invalid"),
        (frame().replace(str(TIME_US).encode(), b"0"), "invalid"),
    ],
)
def test_names_what_cannot_be_read(value: bytes, reason: str) -> None:
    content = read(value)
    assert isinstance(content, Unreadable)
    assert (content.reason, content.value) == (reason, value)


def test_leaves_out_other_kinds_of_frames() -> None:
    assert read(b'{"did":"did:plc:a","time_us":1,"kind":"identity","identity":{"handle":"#poltwt"}}') is None
    assert read(frame().replace(b"app.bsky.feed.post", b"app.bsky.feed.like")) is None


def test_tells_what_the_server_says_of_itself() -> None:
    with pytest.raises(ServerError, match="CursorTooOld: too old"):
        read(b'{"error":"CursorTooOld","message":"too old"}')


def test_time_is_read_without_decoding() -> None:
    assert time_of(frame()) == TIME_US
    assert time_of(b'{"time_us":12,"kind":""}') == 12
    assert time_of(b'{"time_us":' + b"9" * 40) == 0
    assert time_of(frame('"time_us":1')) == TIME_US
    assert time_of(b"") == 0


def test_a_repetition_is_told_from_an_edit() -> None:
    signatures = [
        parse(value, Tags(["poltwt"]), lambda: NOW)[1] for value in (frame(), frame(), frame(operation="update"))
    ]
    assert signatures[0] == signatures[1] != signatures[2]


WORDS = st.sampled_from(
    ["poltwt", "POLTWT", "ｐｏｌｔｗｔ", "#", "＃", " ", "σ", "Σ", "ΟΔΟΣ", "é", "\u0301", "K", "_", "x"]
)


@given(st.lists(WORDS, max_size=8).map("".join), st.sampled_from(["poltwt", "οδος", "k", "é"]))
def test_the_cheap_look_refuses_nothing_that_matches(text: str, tag: str) -> None:
    value = frame(text)
    tags = Tags([tag])
    found = parse(value, Tags(()), lambda: NOW)[0]
    if isinstance(found, Post) and tags.match(found.hashtags):
        assert tags.may_stand_in(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["createdAt", "langs", "facets", "tags", "reply", "embed", "text"]), JSON),
    st.sampled_from(["create", "update", "delete", "x"]),
)
def test_any_record_is_a_message_or_a_refusal(record: dict[str, Any], operation: str) -> None:
    try:
        value = frame(**{"text": "#poltwt", "operation": operation} | record)
    except UnicodeEncodeError:  # a lone surrogate cannot travel
        return
    content = read(value)
    if isinstance(content, Post | Deletion):
        assert decode_raw(encode(content)) == content


@given(
    st.binary()
    | st.builds(lambda at, byte: frame()[:at] + byte + frame()[at + 1 :], st.integers(0, 300), st.binary(max_size=2))
)
def test_any_bytes_are_a_message_a_refusal_or_nothing(value: bytes) -> None:
    try:
        content = read(value)
    except ServerError:
        return
    if isinstance(content, Post | Deletion):
        assert decode_raw(encode(content)) == content
