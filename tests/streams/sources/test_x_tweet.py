"""Lines of X: what they become, and that no bytes make the reader fail."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.contracts import Deletion, Engagement, Post, decode_raw, encode
from streams.sources.base import Content, Unreadable
from streams.sources.times import tweet_time
from streams.sources.x_tweet import XParser, ended
from tests.helpers.x import line, tweet, tweet_id

NOW = datetime(2026, 8, 1, 13, tzinfo=UTC)


def read(value: bytes) -> list[Content]:
    return XParser("tagpulse").read(value, "api.x.com", NOW)


def post(number: int = 1, **fields: Any) -> Post:
    [content] = read(line(number, **fields))
    assert isinstance(content, Post)
    return content


def test_a_post_with_all_it_holds() -> None:
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


def test_without_a_time_the_id_tells_it() -> None:
    assert post(created_at="yesterday").created_at == tweet_time(tweet_id(1))
    found = post(created_at=None, id="17", edit_history_tweet_ids=["17"])
    assert (found.created_at, found.created_at_is_estimate) == (NOW, True)


def test_without_the_account_its_id_stands_for_it() -> None:
    frame = json.dumps(tweet(1) | {"includes": {"users": [{"id": "9"}]}}).encode()
    [found] = read(frame)
    assert isinstance(found, Post)
    assert found.author == "7"


@pytest.mark.parametrize(
    ("value", "reason"),
    [(b"", "malformed"), (b"\xff", "malformed"), (b"{}", "invalid"), (b"[]", "invalid"), (b'{"data":{"id":""}}', "invalid"),
     (b'{"data":{"id":"1","entities":' + b"[" * 100_000, "malformed"), (b'{"data":{"id":"12a","text":"x"}}', "invalid")],
)  # fmt: skip
def test_names_what_cannot_be_read(value: bytes, reason: str) -> None:
    [content] = read(value)
    assert isinstance(content, Unreadable)
    assert (content.reason, content.value) == (reason, value)


def test_tells_why_x_ends_a_stream() -> None:
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


@settings(max_examples=50)
@given(st.dictionaries(FIELDS, JSON), st.dictionaries(st.sampled_from(["users", "tweets", "media"]), JSON))
def test_any_line_is_a_message_or_a_refusal(fields: dict[str, Any], includes: dict[str, Any]) -> None:
    try:
        whole = tweet(1)
        value = json.dumps(whole | {"data": whole["data"] | fields, "includes": includes}, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate cannot travel
        return
    for content in read(value):
        if isinstance(content, Post | Deletion):
            assert decode_raw(encode(content)) == content


@given(
    st.binary()
    | st.builds(lambda at, byte: line(1)[:at] + byte + line(1)[at + 1 :], st.integers(0, 400), st.binary(max_size=2))
)
def test_any_bytes_are_a_message_a_refusal_or_nothing(value: bytes) -> None:
    ended(value)
    for content in read(value):
        assert isinstance(content, Post | Deletion | Unreadable)
        if isinstance(content, Post | Deletion):
            assert decode_raw(encode(content)) == content
