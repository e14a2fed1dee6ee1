"""Posts become lines of COPY's text format, which can be read back unchanged."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import EnrichedPost
from streams.sinks.columns import COLUMNS
from streams.sinks.postgres.copy_text import NULL, copy_text
from tests.helpers.generated import generated
from tests.helpers.rows import changed, enriched, full, row

NAMES = [column.name for column in COLUMNS]
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)


def unescaped(text: str) -> str | None:
    """Return a value in COPY format as PostgreSQL reads it."""
    return None if text == NULL else re.sub(r"\\(.)", lambda found: ESCAPES[found[1]], text)


def elements(array: str | None) -> list[str]:
    """Return the texts in a literal of a text array, all of which must be in quotation marks."""
    assert array is not None
    found = [re.sub(r"\\(.)", r"\1", each, flags=re.DOTALL) for each in ELEMENT.findall(array)]
    assert array == "{" + ",".join('"' + re.sub(r'(["\\])', r"\\\1", each) + '"' for each in found) + "}"
    return found


def parsed(lines: bytes) -> list[dict[str, str | None]]:
    *whole, last = lines.decode().split("\n")
    assert last == "", "each line ends with a line feed"
    return [dict(zip(NAMES, map(unescaped, line.split("\t")), strict=True)) for line in whole]


def test_every_special_character_is_escaped() -> None:
    (line,) = copy_text([row(7, full("x\ty"), 2)]).splitlines(keepends=True)
    assert b"a\\\\b\\tc\\nd\\re" in line
    (found,) = parsed(line)
    assert (found["id"], found["reply_to"], found["repost_of"]) == ("x\ty", "1\t2", "\\N"), "this text is not NULL"
    assert elements(found["hashtags"]) == ["poltwt", 'q"u\\ote', "a,b", "{}", "", "null", "l\nf"]
    assert (found["topic_scores"], found["likes"]) == ("{0.3333333333333333,1e-300}", str(2**63 - 1))
    assert found["campaign_scores"] == '{"police dogs":0.75,"\\"x\\"":1e-300}'
    assert (found["author_created_at"], found["created_at_is_estimate"]) == ("0001-01-01T00:00:00Z", "True")
    assert (found["kafka_partition"], found["kafka_offset"]) == ("2", "7")


def test_a_missing_value_is_null_and_an_empty_list_or_text_is_not() -> None:
    (found,) = parsed(copy_text([row(0, changed(enriched("a"), text=""))]))
    assert [found[name] for name in ("edited_at", "repost_of", "campaign_topic")] == [None, None, None]
    assert [found[name] for name in ("hashtags", "media", "topics", "topic_scores", "text")] == ["{}"] * 4 + [""]
    assert found["campaign_scores"] == "{}"


def test_without_rows_there_are_no_lines() -> None:
    assert copy_text([]) == b""


def test_half_a_surrogate_cannot_be_encoded() -> None:
    with pytest.raises(UnicodeEncodeError):
        copy_text([row(0, enriched("a")), row(1, enriched("b", text="\ud83d"))])


# COPY's own escapes, and Unicode line breaks, which COPY does not treat as such
TEXTS = st.text(st.sampled_from('\\"{},\n\t\rN.a\u2028\x85é🐕'), max_size=12)


@given(st.lists(generated(EnrichedPost, texts=TEXTS, times=st.just(datetime(2026, 6, 20, tzinfo=UTC))), max_size=3))
def test_any_texts_are_read_back(messages: list[EnrichedPost]) -> None:
    found = parsed(copy_text([row(offset, message) for offset, message in enumerate(messages)]))
    assert len(found) == len(messages)
    for fields, message in zip(found, messages, strict=True):
        post: dict[str, Any] = msgspec.structs.asdict(message.post)
        names = ("source", "id", "text", "author", "language_hint", "reply_to", "repost_of", "url")
        assert {name: fields[name] for name in names} == {name: post[name] for name in names}
        assert elements(fields["hashtags"]) == list(message.post.hashtags)
        assert elements(fields["media"]) == list(message.post.media)
        assert elements(fields["topics"]) == [topic.name for topic in message.topics]
        scores = fields["campaign_scores"]
        assert scores is not None
        assert msgspec.json.decode(scores) == message.campaign.scores
        assert fields["negative"] == str(message.sentiment.negative)
