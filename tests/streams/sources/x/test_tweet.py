"""Parsing of lines from X, which never fails, whatever the bytes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import metrics
from streams.contracts import Deletion, Engagement, Post, decode_raw, encode
from streams.settings import Settings
from streams.sources.base import Content, Parser, Unreadable
from streams.sources.registry import NETWORKS
from streams.sources.times import tweet_time
from streams.sources.x.tweet import XParser, ended, time_of
from tests.helpers.feeds import counted, numbers
from tests.helpers.x import FIRST_ID, account_gone, line, removal, tweet, tweet_id

NOW = datetime(2026, 8, 1, 13, tzinfo=UTC)


def read(value: bytes) -> list[Content]:
    return XParser("tagpulse").read(value, "api.x.com", NOW)


def post(number: int = 1, **fields: Any) -> Post:
    [content] = read(line(number, **fields))
    assert isinstance(content, Post)
    return content


def test_a_complete_post() -> None:
    found = post(
        text="Wer hilft &amp; wer nicht? #PolTwt",
        lang="de",
        entities={
            "hashtags": [{"tag": "K9"}],
            "urls": [{"expanded_url": "https://e.org"}, {"expanded_url": "https://x.com/a/status/1/photo/1"}],
        },
        attachments={"media_keys": ["3_1"], "poll_ids": ["9"]},
        public_metrics={"like_count": 3, "retweet_count": 2, "reply_count": 1, "quote_count": 5},
        referenced_tweets=[{"type": "replied_to", "id": "17"}, {"type": "quoted", "id": "18"}],
        includes={"media": [{"media_key": "3_1", "type": "photo"}, {"media_key": "3_2", "type": "video"}]},
    )
    assert found == Post(
        source="x",
        id=tweet_id(1),
        text="Wer hilft & wer nicht? #PolTwt",
        created_at=datetime(2026, 8, 1, 12, tzinfo=UTC),
        author="anna",
        hashtags=("k9", "poltwt"),
        language_hint="de",
        media=("image", "poll", "quote", "link"),
        reply_to="17",
        engagement=Engagement(likes=3, reposts=2, replies=1),
        url=f"https://x.com/anna/status/{tweet_id(1)}",
        collected_at=NOW,
    )


def test_a_repost_has_the_whole_text_of_the_original() -> None:
    original = {
        "id": "17",
        "text": "the dogs…",
        "note_tweet": {"text": "the dogs, all of them #poltwt"},
        "author_id": "8",
    }
    found = post(
        text="RT @bob: the do…", referenced_tweets=[{"type": "retweeted", "id": "17"}], includes={"tweets": [original]}
    )
    assert (found.text, found.author, found.repost_of) == ("the dogs, all of them #poltwt", "anna", "17")


def test_an_edit_is_the_same_post_and_wins() -> None:
    parser = XParser("tagpulse")
    history = [tweet_id(1), tweet_id(2)]
    lines = [line(1), line(2, text="better", edit_history_tweet_ids=history), line(1)]
    contents = [content for frame in lines for content in parser.read(frame, "api.x.com", NOW)]
    assert [(content.id, content.text) for content in contents if isinstance(content, Post)] == [
        (tweet_id(1), "#poltwt"), (tweet_id(1), "better"),
    ]  # fmt: skip
    edit = contents[1]
    assert isinstance(edit, Post)
    assert (edit.created_at, edit.edited_at) == (tweet_time(tweet_id(1)), datetime(2026, 8, 1, 12, tzinfo=UTC))
    [gone] = parser.read(b'{"data":{"delete":{"tweet":{"id":"' + tweet_id(2).encode() + b'"}}}}', "api.x.com", NOW)
    assert gone == Deletion(source="x", id=tweet_id(1), deleted_at=NOW)
    assert parser.read(line(3, edit_history_tweet_ids=[tweet_id(1), tweet_id(3)]), "api.x.com", NOW) == []


def kinds(parser: Parser, *frames: bytes) -> list[tuple[type[Content], int]]:
    contents = [content for frame in frames for content in parser.read(frame.strip(), "api.x.com", NOW)]
    found = zip(contents, numbers(contents), strict=True)
    return [(type(content), number - FIRST_ID) for content, number in found]


def repost(number: int, original: int, author_id: str = "8") -> bytes:
    text = {"id": tweet_id(original), "text": "the dogs #poltwt", "author_id": "7"}
    references = [{"type": "retweeted", "id": tweet_id(original)}]
    return line(number, author_id=author_id, referenced_tweets=references, includes={"tweets": [text]})


@pytest.mark.parametrize("original_was_read", [True, False])
def test_the_reposts_of_a_deleted_post_are_deleted(original_was_read: bool) -> None:
    parser = XParser("tagpulse")
    kinds(parser, *[line(1)] * original_was_read, repost(2, 1), repost(3, 1), repost(4, 9))
    gone = [(Deletion, 1)] * original_was_read + [(Deletion, 2), (Deletion, 3)]
    assert kinds(parser, removal(1), removal(1)) == gone
    assert kinds(parser, removal(3)) == []
    assert kinds(parser, repost(5, 1)) == [(Deletion, 5)]


@pytest.mark.parametrize("kind", ["user_delete", "user_suspend", "user_protect"])
def test_the_posts_of_a_removed_account_and_their_reposts_are_deleted(kind: str) -> None:
    parser = XParser("tagpulse")
    edit = line(2, edit_history_tweet_ids=[tweet_id(1), tweet_id(2)])
    kinds(parser, line(1), edit, repost(3, 1), line(4, author_id="8"), repost(5, 9), repost(6, 4))
    assert kinds(parser, account_gone("99", kind), account_gone("7", "user_undelete")) == []
    assert kinds(parser, account_gone("7", kind), account_gone("7", kind)) == [
        (Deletion, 1), (Deletion, 3), (Deletion, 5), (Deletion, 6),
    ]  # fmt: skip
    # a post from before the removal is late; a post from after it shows that the account is back
    assert kinds(parser, line(7), line(8, created_at="2026-08-01T12:45:00.000Z")) == [(Deletion, 7), (Post, 8)]


def test_a_post_deleted_before_it_arrives_is_deleted_once() -> None:
    """An earlier run may have passed the post on, because X resends both."""
    assert kinds(XParser("tagpulse"), removal(1), line(1), line(1)) == [(Deletion, 1)]


@pytest.mark.parametrize("value", [removal(1).replace(tweet_id(1).encode(), b""), account_gone("")])
def test_a_deletion_without_an_id_deletes_nothing(value: bytes) -> None:
    assert kinds(XParser("tagpulse"), value, line(1), line(2, author_id="")) == [(Post, 1), (Post, 2)]


def test_compliance_events_are_understood_however_they_are_written() -> None:
    parser = XParser("tagpulse")
    kinds(parser, line(1))
    spaced = json.dumps(json.loads(removal(1)), indent=1).replace("\n", " ").encode()
    assert kinds(parser, b" " * 90 + spaced) == [(Deletion, 1)]


def test_frames_found_by_other_rules_are_matched_by_hashtag() -> None:
    theirs = [value.replace(b'"tagpulse"', b'"theirs"') for value in (line(1), line(2, text="#K9"))]
    for tags, kept in ((["k9"], [2]), (["k9", "poltwt"], [1, 2]), ([], [1, 2]), (["other"], [])):
        filtered = counted(metrics.FILTERED, "x")
        parser = NETWORKS.find("x")(Settings()).open_parser(tags)
        assert kinds(parser, *theirs) == [(Post, number) for number in kept]
        assert counted(metrics.FILTERED, "x") - filtered == 2 - len(kept)


@pytest.mark.parametrize("value", [b'{"errors":[{"title":"operational-disconnect"}]}', b'{"title":"x"}'])
def test_a_disconnection_notice_in_a_recording_is_counted(value: bytes) -> None:
    filtered = counted(metrics.FILTERED, "x")
    assert read(value) == []
    assert counted(metrics.FILTERED, "x") - filtered == 1


def test_a_line_contains_the_time_when_x_made_its_post() -> None:
    assert time_of(line(1)) == tweet_time(tweet_id(1))
    for value in (
        removal(1),
        b"",
        b"junk",
        b"\xff",
        b"[]",
        b'{"data":{"id":5}}',
        b'{"data":{"delete":5}}',
        b"[" * 100_000,
    ):
        assert time_of(value) is None


def test_without_a_time_the_id_provides_it() -> None:
    assert post(created_at="yesterday").created_at == tweet_time(tweet_id(1))
    found = post(created_at=None, id="17", edit_history_tweet_ids=["17"])
    assert (found.created_at, found.created_at_is_estimate) == (NOW, True)


def test_the_account_id_replaces_a_missing_account() -> None:
    frame = json.dumps(tweet(1) | {"includes": {"users": [{"id": "9"}]}}).encode()
    [found] = read(frame)
    assert isinstance(found, Post)
    assert found.author == "7"


@pytest.mark.parametrize(
    ("value", "reason"),
    [(b"", "malformed"), (b"\xff", "malformed"), (b"{}", "invalid"), (b"[]", "invalid"), (b'{"data":{"id":""}}', "invalid"),
     (b'{"data":{"id":"1","entities":' + b"[" * 100_000, "malformed"), (b'{"data":{"id":"12a","text":"x"}}', "invalid")],
)  # fmt: skip
def test_an_unreadable_line_has_a_reason(value: bytes, reason: str) -> None:
    [content] = read(value)
    assert isinstance(content, Unreadable)
    assert (content.reason, content.value) == (reason, value)


def test_the_reason_why_x_ends_a_stream_is_returned() -> None:
    assert str(ended(b'{"errors":[{"title":"operational-disconnect","detail":"x"}]}')) == "operational-disconnect x"
    crowd = ended(b'{"title":"ConnectionException","connection_issue":"TooManyConnections"}')
    assert crowd is not None
    assert crowd.is_crowd
    assert ended(line(1)) is None
    assert ended(line(1)[:-3] + b',"errors":[{"title":"Not Found Error"}]}') is None
    assert ended(b"junk") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([*tweet(1)["data"], "referenced_tweets", "attachments", "public_metrics", "note_tweet"])


IDS = st.sampled_from([tweet_id(1), tweet_id(2), "7", "8", ""])
EVENTS = st.fixed_dictionaries(
    {},
    optional={"tweet": st.fixed_dictionaries({}, optional={"id": IDS | JSON}) | JSON,
              "user": st.fixed_dictionaries({}, optional={"id": IDS | JSON}) | JSON, "event_at": JSON},
)  # fmt: skip
KINDS = st.sampled_from(["delete", "drop", "undrop", "tweet_edit", "user_delete", "user_undelete", "user_protect"])
COMPLIANCE_LINES = st.dictionaries(KINDS, EVENTS | JSON, max_size=2).map(lambda data: {"data": data})
POSTS = st.builds(
    lambda fields, includes: tweet(1) | {"data": tweet(1)["data"] | fields, "includes": includes},
    st.dictionaries(FIELDS, JSON),
    st.dictionaries(st.sampled_from(["users", "tweets", "media"]), JSON),
)
ENDS = st.dictionaries(st.sampled_from(["errors", "title", "detail", "data"]), JSON)


def accounted_for(parser: XParser, value: bytes) -> list[Content]:
    """Parse a line, and assert that its contents can be encoded, or that it is counted as left out."""

    def left_out() -> float:
        return counted(metrics.FILTERED, "x") + counted(metrics.FRAMES_REPEATED, "x")

    before = left_out()
    contents = parser.read(value, "api.x.com", NOW)
    assert bool(contents) != (left_out() - before == 1)
    for content in contents:
        assert isinstance(content, Post | Deletion | Unreadable)
        if not isinstance(content, Unreadable):
            assert decode_raw(encode(content)) == content
    return contents


@settings(max_examples=150)
@given(st.lists(POSTS | COMPLIANCE_LINES | ENDS, min_size=1, max_size=4))
def test_any_lines_yield_messages_or_are_counted(values: list[Any]) -> None:
    parser = XParser("tagpulse")
    parser.read(line(1), "api.x.com", NOW)
    for value in values:
        try:
            frame = json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:  # a lone surrogate cannot be encoded
            continue
        time_of(frame)
        accounted_for(parser, frame)


@given(
    st.binary()
    | st.builds(
        lambda whole, at, byte: whole[:at] + byte + whole[at + 1 :],
        st.sampled_from([line(1), removal(1), account_gone("7"), removal(1)[:-4]]),
        st.integers(0, 400),
        st.binary(max_size=2),
    )
)
def test_any_bytes_yield_a_message_or_are_counted(value: bytes) -> None:
    ended(value)
    time_of(value)
    accounted_for(XParser("tagpulse"), value)


@pytest.mark.parametrize("subject", ["tweet", "user"])
def test_an_event_with_an_overlong_id_is_reported_and_not_remembered(subject: str) -> None:
    kind = {"tweet": "delete", "user": "user_delete"}[subject]
    [content] = read(json.dumps({"data": {kind: {subject: {"id": "9" * 21}}}}).encode())
    assert isinstance(content, Unreadable)
    assert content.reason == "invalid"


def test_overlong_ids_of_accounts_and_posts_are_left_out() -> None:
    found = post(author_id="8" * 21, referenced_tweets=[{"type": "retweeted", "id": "9" * 21}])
    assert (found.author, found.repost_of) == ("", None)
