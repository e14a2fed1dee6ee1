"""Characters that a sink cannot store are replaced by the same character for every sink."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import Deletion, Post, decode_raw, encode
from streams.contracts.repair import decode_json
from streams.errors import BadMessage

ANY = msgspec.json.Decoder()
POST = {"type": "post", "source": "x", "id": "1", "text": "", "created_at": "2026-08-01T12:00:00Z"}


@pytest.mark.parametrize("field", ["id", "text", "author", "language_hint", "reply_to", "repost_of", "url"])
@pytest.mark.parametrize("written", ["a\\u0000b", "a\\ud83db", "a\\udc00b", "a\\uD83D\\\\b", "a\\ud83d\\u0000b"])
def test_every_text_is_repaired(field: str, written: str) -> None:
    value = json.dumps(POST | {field: "HERE"}).replace("HERE", written).encode()
    found = getattr(decode_raw(value), field)
    assert found.startswith("a\ufffd")
    assert found.endswith("b")


def test_lists_and_deletions_are_repaired() -> None:
    value = json.dumps(POST | {"hashtags": ["a\0b"], "media": ["\0"]}).encode()
    post = decode_raw(value)
    assert isinstance(post, Post)
    assert (post.hashtags, post.media) == (("a\ufffdb",), ("\ufffd",))
    deletion = Deletion(source="x", id="de\0l", deleted_at=datetime(2026, 8, 1, tzinfo=UTC))
    assert decode_raw(encode(deletion)).id == "de\ufffdl"
    assert rb"\u0000" not in encode(deletion)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.booleans())
def test_everything_else_is_unchanged(text: str, ascii_only: bool) -> None:
    written = json.dumps([text, "\\u0000", "\\\\ud83d"], ensure_ascii=ascii_only).encode()
    assert decode_json(ANY, written) == [text.replace("\0", "\ufffd"), "\\u0000", "\\\\ud83d"]


@given(st.text())
def test_unpaired_surrogates_are_replaced_and_pairs_are_not(text: str) -> None:
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
    assert len(decode_json(ANY, json.dumps([text]).encode())[0]) == len(whole)
    assert decode_json(ANY, json.dumps([f"{whole}😀"]).encode()) == [f"{whole}😀"]


def test_invalid_json_is_still_refused() -> None:
    with pytest.raises(BadMessage, match="malformed"):
        decode_raw(b'{"type":"post","text":"\\ud83d')
