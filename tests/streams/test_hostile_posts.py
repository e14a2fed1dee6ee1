"""No text takes any process longer than its length explains, whatever it contains."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pytest

from models.text import has_words, prepare
from streams.contracts import (
    CampaignScore,
    EnrichedPost,
    Language,
    ModelInfo,
    Post,
    Sentiment,
    decode_raw,
    encode,
    find_hashtags,
    normalise_hashtags,
)
from streams.minutes.post import count_post
from streams.minutes.text import same_text
from streams.privacy import pseudonymise
from streams.settings import Settings
from streams.sources.files.jsonl import parse
from streams.sources.files.lines import Line
from streams.sources.html import read_html
from streams.sources.registry import NETWORKS
from streams.sources.tags import Tags
from streams.sources.wire import event_frame
from streams.text.safe_text import readable
from streams.text.terminal import json_text, one_line, plain
from tests.helpers.hostile import SIZE, TEXTS, assert_linear

NOW = datetime(2026, 8, 1, 13, tzinfo=UTC)
TAGS = Tags(["poltwt", "über"])
POST = Post(source="x", id="1", text="", created_at=NOW, author="anna")
ENRICHED = EnrichedPost(
    post=POST,
    language=Language(code="en", score=1.0),
    sentiment=Sentiment(label="neutral", negative=0.0, neutral=1.0, positive=0.0),
    topics=(),
    campaign=CampaignScore(name=None, score=0.0),
    model=ModelInfo(name="a", version="1"),
    enriched_at=NOW,
)


def bluesky(text: str) -> object:
    record = {"$type": "app.bsky.feed.post", "createdAt": NOW.isoformat(), "text": f"#poltwt {text}", "tags": [text]}
    commit = {"rev": "1", "operation": "create", "collection": "app.bsky.feed.post", "rkey": "a", "record": record}
    frame = {"did": "did:plc:a", "time_us": 1_785_585_600_000_000, "kind": "commit", "commit": commit}
    written = json.dumps(frame, separators=(",", ":"), ensure_ascii=False).encode()
    return NETWORKS.find("bluesky")(Settings()).open_parser(["poltwt"]).read(written, "server", NOW)


def mastodon(text: str) -> object:
    status = {"id": "1", "uri": "u", "content": text, "visibility": "public", "tags": [{"name": text}], "url": text}
    frame = event_frame("update", json.dumps(status, ensure_ascii=False).encode())
    return NETWORKS.find("mastodon")(Settings()).open_parser(["poltwt"]).read(frame, "server", NOW)


def x(text: str) -> object:
    data = {"id": "1900000000000000001", "text": text, "entities": {"hashtags": [{"tag": text}]}}
    return (
        NETWORKS.find("x")(Settings()).open_parser(["poltwt"]).read(json.dumps({"data": data}).encode(), "server", NOW)
    )


def watched(text: str) -> object:
    return count_post(msgspec.structs.replace(ENRICHED, post=msgspec.structs.replace(POST, text=text)), 0, 0)


def hidden(text: str) -> object:
    return pseudonymise(
        msgspec.structs.replace(POST, id=f"did:{text}", url=text, reply_to=text, author=text), b"k" * 32
    )


STAGES: dict[str, Callable[[str], object]] = {
    "hashtags of a text": find_hashtags,
    "hashtags of a network": lambda text: normalise_hashtags([text, *text.split()]),
    "frames that are left out": lambda text: TAGS.may_stand_in(f'"#{text}"'.encode()),
    "HTML": read_html,
    "Bluesky": bluesky,
    "Mastodon": mastodon,
    "X": x,
    "a file": lambda text: parse(Line(1, json.dumps({"source": "x", "id": "1", "text": text}).encode()), "file:a"),
    "Kafka": lambda text: decode_raw(encode(msgspec.structs.replace(POST, text=text))),
    "the model": lambda text: has_words(prepare(text)),
    "the watch": watched,
    "equal texts": same_text,
    "sentences": lambda text: readable(text, 280),
    "a terminal": lambda text: (plain(text), one_line(text)),
    "JSON on a terminal": json_text,
    "pseudonyms": hidden,
}


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES.keys())
def test_the_time_grows_only_with_the_length(stage: Callable[[str], object]) -> None:
    for make in TEXTS.values():
        assert_linear(stage, make)


@pytest.mark.parametrize("make", TEXTS.values(), ids=TEXTS.keys())
def test_a_post_and_its_counts_are_bounded(make: Callable[[int], str]) -> None:
    text = make(SIZE)
    post = msgspec.structs.replace(POST, text=text, hashtags=(text, *text.split()[:1_000], "end"))
    assert sum(map(len, post.hashtags)) <= 100 * 200
    kept = count_post(msgspec.structs.replace(ENRICHED, post=post), 0, 0)
    assert len(encode(msgspec.structs.replace(post, text=""))) < 200_000
    assert sum(map(len, kept.words)) + sum(map(len, kept.hashtags)) + len(kept.text) + len(kept.prepared) < 25_000
