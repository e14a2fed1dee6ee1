"""Posts and deletions from Jetstream frames, which never fail, whatever the bytes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import Deletion, Post, decode_raw, encode
from streams.sources.base import MAX_FRAME_BYTES, Unreadable
from streams.sources.bluesky.posts import JetstreamParser
from streams.sources.tags import Tags
from tests.streams.sources.bluesky.frames import DID, NOW, TIME_US, account_frames, frame, frame_v2, repost


def read(value: bytes, *tags: str) -> Post | Deletion | Unreadable | None:
    contents = JetstreamParser(Tags(tags or ("poltwt",))).read(value, "server", NOW)
    assert len(contents) <= 1
    return contents[0] if contents else None  # type: ignore[return-value]


def post(value: bytes, *tags: str) -> Post:
    content = read(value, *tags)
    assert isinstance(content, Post)
    return content


def test_a_complete_post() -> None:
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
        language_hint="de,en",
        media=("image", "quote"),
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
def test_a_hashtag_is_found_however_it_is_written(value: bytes) -> None:
    assert post(value).hashtags == ("poltwt",)


@pytest.mark.parametrize(
    ("tag", "text"), [("ΟΔΟΣ", "#οδος"), ("οδος", "#ΟΔΟΣ"), ("हिन्दी", "#हिन्दी"), ("café", "#cafe\u0301")]
)
def test_hashtags_in_other_scripts_are_found(tag: str, text: str) -> None:
    assert post(frame(text), tag).text == text


@pytest.mark.parametrize("text", ["poltwt", "#poltwts", "#other poltwt", "https://x.org/#poltwt", "dogs", ""])
def test_posts_without_the_hashtag_are_left_out(text: str) -> None:
    assert read(frame(text)) is None


def test_without_tags_every_post_with_a_hashtag_is_kept() -> None:
    parser = JetstreamParser(Tags(()))
    assert [type(content) for content in parser.read(frame("#a"), "server", NOW)] == [Post]
    assert parser.read(frame("a"), "server", NOW) == []


def test_edits_win_and_an_edit_without_the_hashtag_deletes_the_post() -> None:
    at = datetime(2026, 8, 1, 11, 59, 58, 500_000, tzinfo=UTC)
    edited = post(frame("Better #poltwt", "update"))
    assert (edited.text, edited.edited_at) == ("Better #poltwt", at)
    assert read(frame("no more", "update")) == Deletion(source="bluesky", id="did:plc:abc/3lk", deleted_at=at)


def test_every_deletion_is_passed_on() -> None:
    at = datetime(2026, 8, 1, 11, 59, 58, 500_000, tzinfo=UTC)
    assert read(frame(operation="delete")) == Deletion(source="bluesky", id="did:plc:abc/3lk", deleted_at=at)


@pytest.mark.parametrize("created_at", [None, 5, "yesterday", "0001-01-01T00:00:00+14:00", {}])
def test_an_implausible_time_is_replaced_by_the_servers_time(created_at: Any) -> None:
    at = datetime(2026, 8, 1, 11, 59, 58, 500_000, tzinfo=UTC)
    found = post(frame(createdAt=created_at))
    assert (found.created_at, found.created_at_is_estimate, found.author_created_at) == (at, True, None)


def test_a_wrong_time_is_kept_next_to_the_servers_time() -> None:
    at = datetime(2026, 8, 1, 11, 59, 58, 500_000, tzinfo=UTC)
    found = post(frame(createdAt="2031-01-01T00:00:00+02:00"))
    assert (found.created_at, found.created_at_is_estimate) == (at, True)
    assert found.author_created_at == datetime(2030, 12, 31, 22, tzinfo=UTC)


@pytest.mark.parametrize("operation", ["update", "delete"])
def test_a_server_clock_ahead_of_ours_dates_nothing_in_the_future(operation: str) -> None:
    [content] = JetstreamParser(Tags(["poltwt"])).read(
        frame(operation=operation), "server", datetime(2026, 8, 1, tzinfo=UTC)
    )
    at = (
        content.edited_at
        if isinstance(content, Post)
        else content.deleted_at
        if isinstance(content, Deletion)
        else None
    )
    assert at == datetime(2026, 8, 1, tzinfo=UTC)


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
def test_an_unreadable_frame_has_a_reason(value: bytes, reason: str) -> None:
    content = read(value)
    assert isinstance(content, Unreadable)
    assert (content.reason, content.value) == (reason, value)


def test_other_kinds_of_frames_are_left_out() -> None:
    assert read(b'{"did":"did:plc:a","time_us":1,"kind":"identity","identity":{"handle":"#poltwt"}}') is None
    assert read(frame().replace(b"app.bsky.feed.post", b"app.bsky.feed.like")) is None


def test_a_repetition_is_distinguished_from_an_edit() -> None:
    parser = JetstreamParser(Tags(["poltwt"]))
    frames = frame(), frame(), frame(operation="update")
    assert [len(parser.read(value, "server", NOW)) for value in frames] == [1, 0, 1]


def test_both_versions_of_the_protocol_give_the_same_post() -> None:
    fields: dict[str, Any] = {"langs": ["de"], "embed": {"$type": "app.bsky.embed.external"}}
    assert read(frame_v2("Good dog #PolTWT", **fields)) == read(frame("Good dog #PolTWT", **fields))
    assert read(frame_v2(operation="delete")) == read(frame(operation="delete"))


@pytest.mark.parametrize("label", ["!no-unauthenticated", "porn", "graphic-media"])
def test_posts_with_a_label_of_their_author_are_left_out(label: str) -> None:
    labels = {"$type": "com.atproto.label.defs#selfLabels", "values": [{"val": label}]}
    assert read(frame(labels=labels)) is None
    assert isinstance(read(frame(operation="update", labels=labels)), Deletion)
    assert isinstance(read(frame(labels={"values": [{"val": "bot"}]})), Post)


def test_a_quote_is_recognised() -> None:
    assert post(frame(embed={"$type": "app.bsky.embed.record", "record": {}})).media == ("quote",)


def test_reposts_are_kept_and_deleted_with_the_original() -> None:
    parser = JetstreamParser(Tags(["poltwt"]))

    def read(value: bytes) -> list[Any]:
        return parser.read(value, "server", NOW)

    assert read(repost("r1")) == []  # a repost of an unknown post
    [original] = read(frame())
    [found] = read(repost("r2"))
    assert (found.id, found.text, found.repost_of) == ("did:plc:fan/repost/r2", original.text, original.id)
    assert (found.author, found.hashtags) == ("did:plc:fan", ("poltwt",))
    assert [gone.id for gone in read(repost("r2", "delete"))] == ["did:plc:fan/repost/r2"]
    assert read(repost("r9", "delete")) == []
    read(repost("r3"))
    gone = [deletion.id for deletion in read(frame(operation="delete"))]
    assert gone == ["did:plc:abc/3lk", "did:plc:fan/repost/r2", "did:plc:fan/repost/r3"]
    assert JetstreamParser(Tags(["poltwt"]), reposts=False).read(repost("r4"), "server", NOW) == []


@pytest.mark.parametrize("version", [0, 1])
def test_the_posts_of_a_removed_account_are_deleted(version: int) -> None:
    parser = JetstreamParser(Tags(["poltwt"]))

    def read(value: bytes) -> list[Any]:
        return parser.read(value, "server", NOW)

    read(frame())
    read(repost("r2"))
    assert read(account_frames("deactivated")[version]) == []
    gone = read(account_frames("takendown")[version])
    assert [deletion.id for deletion in gone] == ["did:plc:abc/3lk", "did:plc:fan/repost/r2"]
    assert JetstreamParser(Tags(["poltwt"])).read(account_frames("deleted")[version], "server", NOW) == []


WORDS = st.sampled_from(
    ["poltwt", "POLTWT", "ｐｏｌｔｗｔ", "#", "＃", " ", "σ", "Σ", "ΟΔΟΣ", "é", "\u0301", "K", "_", "x"]
)


@given(st.lists(WORDS, max_size=8).map("".join), st.sampled_from(["poltwt", "οδος", "k", "é"]))
def test_the_quick_check_refuses_nothing_that_matches(text: str, tag: str) -> None:
    value = frame(text)
    tags = Tags([tag])
    found = read(value, "poltwt", tag)
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
def test_any_record_yields_a_message_or_a_refusal(record: dict[str, Any], operation: str) -> None:
    try:
        value = frame(**{"text": "#poltwt", "operation": operation} | record)
    except UnicodeEncodeError:  # a lone surrogate cannot be encoded
        return
    content = read(value)
    if isinstance(content, Post | Deletion):
        assert decode_raw(encode(content)) == content


@given(
    st.binary()
    | st.builds(lambda at, byte: frame()[:at] + byte + frame()[at + 1 :], st.integers(0, 300), st.binary(max_size=2))
)
def test_any_bytes_yield_a_message_a_refusal_or_nothing(value: bytes) -> None:
    content = read(value)
    if isinstance(content, Post | Deletion):
        assert decode_raw(encode(content)) == content


def test_an_overlong_revision_is_reported_and_not_remembered() -> None:
    for value in (frame(), frame_v2()):
        content = read(value.replace(b'"rev":"', b'"rev":"' + b"x" * 100))
        assert isinstance(content, Unreadable)
        assert content.reason == "invalid"


def test_a_post_too_large_for_kafka_is_cut_and_not_decoded() -> None:
    content = read(frame("#poltwt " + "x" * MAX_FRAME_BYTES))
    assert isinstance(content, Unreadable)
    assert (content.reason, len(content.value)) == ("oversize", MAX_FRAME_BYTES)
    assert read(frame("x" * MAX_FRAME_BYTES)) is None
