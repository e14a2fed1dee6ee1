"""`tagpulse tail`: its output and order, and that posts cannot inject terminal escapes."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.consumer.fetcher import ConsumerRecord

from streams.cli.tail import as_line, as_object
from streams.contracts import (
    HEADERS,
    CampaignScore,
    DeadLetter,
    Deletion,
    EnrichedPost,
    LabelScore,
    Language,
    Message,
    ModelInfo,
    Post,
    Sentiment,
    encode,
)
from streams.kafka import topics
from streams.processes.broker import Broker
from streams.settings import Settings
from tests.conftest import SettingsFactory
from tests.helpers.processes import Tagpulse, environment, run_tagpulse, wait_until
from tests.helpers.records import produce

WHEN = datetime(2026, 5, 1, 12, tzinfo=UTC)
POST = Post(source="bluesky", id="3k", text="Thank you, Rex! 🐕", created_at=WHEN, author="anna", reply_to="2j")
ENRICHED = EnrichedPost(
    post=POST,
    language=Language(code="en", score=0.99),
    sentiment=Sentiment(label="positive", negative=0.02, neutral=0.07, positive=0.91),
    topics=(LabelScore(name="pets", score=0.8),),
    emotions=(LabelScore(name="joy", score=0.7),),
    acts=(LabelScore(name="question", score=0.6),),
    campaign=CampaignScore(name="police dogs", score=0.7),
    model=ModelInfo(name="model", version="1"),
    enriched_at=WHEN,
)
DEAD = DeadLetter(
    topic="posts.raw", partition=1, offset=7, timestamp_ms=0, key=b"k", value=b"{not json\x1b[2J", headers=(),
    reason="malformed", error="JSON is malformed", attempts=1, failed_at=WHEN,
)  # fmt: skip


def record(value: bytes | None, headers: Any = HEADERS) -> ConsumerRecord:
    when = int(WHEN.timestamp() * 1000)
    return ConsumerRecord("posts", 2, 0, 17, when, 0, b"bluesky:3k", value, list(headers), None, 10, 10, 0)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (POST, "bluesky:3k @anna (reply)  Thank you, Rex! 🐕"),
        (
            ENRICHED,
            "positive 0.91  en [pets, joy, question, campaign:police dogs]  bluesky:3k @anna (reply)  Thank you, Rex! 🐕",
        ),
        (Deletion(source="bluesky", id="3k", deleted_at=WHEN), "bluesky:3k  deleted"),
        (DEAD, r"malformed at posts.raw[1]@7 after 1 attempts: JSON is malformed  13 bytes: {not json\x1b[2J"),
    ],
)
def test_every_message_is_a_readable_line(message: Message, shown: str) -> None:
    line = as_line(record(encode(message)))
    assert line.replace("\x1b[32m", "").replace("\x1b[0m", "") == f"posts[2]@17  2026-05-01T12:00:00+00:00  {shown}"


@pytest.mark.parametrize(
    ("value", "headers", "shown"),
    [
        (None, (), "unreadable (empty: the record has no value)  no value"),
        (b"\xff\x1b]0;owned\x07", (), r"11 bytes: \xff\x1b]0;owned\x07"),
        (b"x" * 500, (), f"500 bytes: {'x' * 200}…"),
        (encode(POST), [("tagpulse-schema", b"99")], "unknown_version: schema version b'99'"),
    ],
)
def test_an_undecodable_record_is_shown_as_bytes(value: bytes | None, headers: Any, shown: str) -> None:
    assert shown in as_line(record(value, headers))
    assert "error" in json.loads(as_object(record(value, headers)))


@given(st.text(), st.text(), st.text(), st.binary())
def test_no_text_reaches_the_terminal_as_a_command(text: str, author: str, error: str, value: bytes) -> None:
    clean = str.maketrans("", "", "".join(map(chr, range(0xD800, 0xE000))))
    text, author, error = (part.translate(clean) for part in (text, author, error))
    messages: list[Message] = [
        Post(source="s", id="1", text=text, created_at=WHEN, author=author),
        DeadLetter(
            topic=error, partition=0, offset=0, timestamp_ms=0, key=None, value=value, headers=(),
            reason=text, error=error, attempts=1, failed_at=WHEN,
        ),
    ]  # fmt: skip
    for raw in [*(encode(message) for message in messages), value]:
        assert as_line(record(raw)).isprintable()
        assert as_object(record(raw)).isprintable()


def test_rich_markup_is_not_interpreted() -> None:
    post = Post(source="s", id="1", text="[red]alert[/red] [link=https://evil.example]x[/link]", created_at=WHEN)
    assert "[red]alert[/red] [link=https://evil.example]x[/link]" in as_line(record(encode(post)))


def test_json_is_the_whole_message() -> None:
    found = json.loads(as_object(record(encode(ENRICHED))))
    assert (found["partition"], found["offset"], found["key"]) == (2, 17, "bluesky:3k")
    assert found["message"] == json.loads(encode(ENRICHED))


def _fill(settings: Settings, count: int) -> None:
    topics.create(settings)
    for number in range(count):
        post = Post(source="file", id=str(number), text=f"post {number}", created_at=WHEN)
        produce(settings.kafka, settings.topics.raw, [(post.key, encode(post))], headers=HEADERS, timestamp_ms=number)


def test_the_last_and_the_first_messages(embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(embedded_broker)
    _fill(settings, 15)
    topic = settings.topics.raw

    def ids(*options: str) -> list[str]:
        done = run_tagpulse("tail", topic, "--json", "--no-follow", *options, settings=settings)
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["message"]["id"] for line in done.stdout.splitlines()]

    assert ids() == [str(number) for number in range(5, 15)]
    assert ids("-n", "3") == ["12", "13", "14"]
    assert ids("-n", "0") == []
    assert sorted(ids("--from-start"), key=int) == [str(number) for number in range(15)]
    assert len(ids("--from-start", "-n", "4")) == 4


def test_new_messages_are_shown_until_ctrl_c(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings = settings_for(embedded_broker)
    _fill(settings, 3)
    with Tagpulse("tail", settings.topics.raw, "-n", "1", settings=settings, folder=tmp_path) as tail:
        wait_until(lambda: "post 2" in tail.stdout)
        post = Post(source="file", id="new", text="one more", created_at=WHEN)
        produce(settings.kafka, settings.topics.raw, [(post.key, encode(post))], headers=HEADERS)
        wait_until(lambda: "one more" in tail.stdout)
        tail.interrupt()
        assert tail.wait(10) == 0
        assert "post 1" not in tail.stdout
        assert "Traceback" not in tail.stderr


def test_a_closed_pipe_is_not_an_error(embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(embedded_broker)
    topics.create(settings)
    more_than_a_pipe_holds = [(b"key", encode(POST))] * 2_000
    produce(settings.kafka, settings.topics.raw, more_than_a_pipe_holds, headers=HEADERS)
    with subprocess.Popen(
        [sys.executable, "-m", "streams", "tail", settings.topics.raw, "--from-start"],
        env=environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as tail:
        assert tail.stdout
        assert tail.stderr
        assert b"Rex" in tail.stdout.readline()
        tail.stdout.close()
        try:
            assert (tail.wait(20), tail.stderr.read()) == (0, b"")
        finally:
            tail.kill()


def test_a_missing_topic_is_reported(embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(embedded_broker)
    done = run_tagpulse("tail", "no-such-topic", settings=settings, timeout=20)
    assert done.returncode == 65
    assert done.stderr.endswith("there is no topic no-such-topic: `tagpulse topics list` lists the topics\n")
    assert "no-such-topic" not in {topic.name for topic in topics.listing(settings)}
