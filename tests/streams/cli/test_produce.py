"""`tagpulse produce`, run as a subprocess."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from streams.contracts import Post, decode_raw
from streams.kafka import topics
from streams.processes.broker import Broker
from tests.conftest import SettingsFactory
from tests.helpers import records
from tests.helpers.jetstream import frame, jetstream, send, stay
from tests.helpers.letters import dead_letters_of
from tests.helpers.processes import Tagpulse, eventually, run_tagpulse, wait_until
from tests.helpers.profiles import profiles

LINE = {"source": "test", "text": "hello", "created_at": "2026-08-01T12:00:00Z"}


def lines(count: int, second_apart: float = 0.0) -> str:
    return "".join(
        json.dumps(LINE | {"id": f"{number}", "created_at": f"2026-08-01T12:00:{number * second_apart:09.6f}Z"}) + "\n"
        for number in range(count)
    )


def test_a_file_with_a_bad_line_is_sent_and_summarised(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings = settings_for(embedded_broker)
    topics.create(settings)
    path = tmp_path / "day.jsonl"
    path.write_text(lines(10) + "{broken\n" + lines(1))
    done = run_tagpulse("produce", "file", path, "--json", settings=settings)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["read"], summary["sent"], summary["dead"], summary["malformed"]) == (12, 11, 1, 1)
    assert f"{path}:11: malformed: " in done.stderr
    assert records.count(settings.kafka, settings.topics.raw) == 11
    (letter,) = dead_letters_of(records.read_all(settings.kafka, settings.topics.dead))
    assert (letter.topic, letter.offset, letter.value) == (f"file:{path}", 11, b"{broken")


def test_standard_input_and_a_table(embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path) -> None:
    settings = settings_for(embedded_broker)
    topics.create(settings)
    done = run_tagpulse("produce", "file", "-", settings=settings, stdin=lines(3))
    assert (done.returncode, done.stdout[:38]) == (0, "3 posts and deletions sent and confirm"), done.stderr
    path = tmp_path / "tweets.csv"
    path.write_text('"Tweet ID", Tweet Text\n"1541815603606036480","#hi, you"\n')
    mapping = ["--column", "id=Tweet ID", "--column", "text=Tweet Text", "--times-from-tweet-ids", "--source-name", "x"]
    done = run_tagpulse("produce", "file", path, *mapping, settings=settings)
    assert done.returncode == 0, done.stderr
    found = records.by_key(records.read_all(settings.kafka, settings.topics.raw))
    (tweet,) = found[b"x:1541815603606036480"]
    post = decode_raw(tweet.value)
    assert isinstance(post, Post)
    assert post.hashtags == ("hi",)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["file", "no-such-file.jsonl"], 65, "no-such-file.jsonl: cannot be read: No such file"),
        (["file", "--column", "size=Size", "x.csv"], 2, "is not FIELD=NAME with one of the fields id, text"),
        (["file", "--speed", "-1", "x.jsonl"], 2, "neither max nor a number above 0"),
        (["file", "--resume", "-"], 2, "standard input cannot be read again"),
        (["file", "--format", "jsonl", "--source-name", "x", "y"], 2, "are for CSV and TSV"),
        (["bluesky", "--tag", "two words"], 2, "no post can contain the hashtag 'two words'"),
    ],
)
def test_wrong_usage_is_reported(
    arguments: list[str], code: int, message: str, embedded_broker: Broker, settings_for: SettingsFactory
) -> None:
    done = run_tagpulse("produce", *arguments, settings=settings_for(embedded_broker))
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr


@pytest.mark.parametrize("how", ["terminate", "interrupt"])
def test_a_paced_file_stops_promptly_and_resumes(
    how: str, embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings = settings_for(embedded_broker, produce={"state_path": tmp_path / "state", "cursor_seconds": 0.1})
    topics.create(settings)
    path = tmp_path / "day.jsonl"
    path.write_text(lines(20) + "".join(lines(40, 1.4).splitlines(keepends=True)[20:]))
    arguments = ("produce", "file", "--resume", "--speed", "1", path)
    with Tagpulse(*arguments, settings=settings, folder=tmp_path) as produce:
        wait_until(lambda: records.count(settings.kafka, settings.topics.raw) >= 20, what="the first posts")
        getattr(produce, how)()
        assert produce.wait(5) == 0
        assert "stopped" in produce.stdout
    before = records.count(settings.kafka, settings.topics.raw)
    assert 20 <= before < 40
    saved = json.loads(next((tmp_path / "state").glob("file-*.cursor")).read_text())["cursor"]
    assert saved == f"0:{before}"
    done = run_tagpulse("produce", "file", "--resume", path, "--json", settings=settings)
    assert json.loads(done.stdout)["sent"] == 40 - before, done.stderr
    assert len(records.by_key(records.read_all(settings.kafka, settings.topics.raw))) == 40
    again = run_tagpulse("produce", "file", "--resume", path, "--json", settings=settings)
    assert json.loads(again.stdout)["read"] == 0


def test_it_stops_within_seconds_while_kafka_is_unavailable(
    fresh_embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    settings = settings_for(fresh_embedded_broker, produce={"max_in_flight": 100})
    topics.create(settings)
    path = tmp_path / "day.jsonl"
    path.write_text(lines(200_000))
    with Tagpulse("produce", "file", path, "--json", settings=settings, folder=tmp_path) as produce:
        wait_until(lambda: records.count(settings.kafka, settings.topics.raw) > 1_000, what="posts are flowing")
        fresh_embedded_broker.suspend()
        wait_until(lambda: "has confirmed nothing" in produce.stderr, what="the outage is seen")
        produce.terminate()
        assert produce.wait(5) == 0
        summary = json.loads(produce.stdout)
    fresh_embedded_broker.resume()
    assert (summary["stopped"], summary["unconfirmed"]) == (True, 100)
    number = int(summary["place"].rpartition(":")[2])
    assert number <= summary["sent"] < 200_000


async def test_it_listens_to_bluesky_until_stopped_and_resumes_from_its_cursor(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    first = [frame(number, text="#other" if number % 2 else "#poltwt") for number in range(100)]
    second = [frame(number) for number in range(50, 120)]
    async with profiles() as lookups, jetstream([send(*first), stay], [send(*second), stay]) as server:
        settings = settings_for(
            embedded_broker,
            bluesky={"url": server.url, "profiles_url": lookups.url},
            produce={"state_path": tmp_path / "state"},
        )
        topics.create(settings)
        for connection, wanted in enumerate((50, 120), 1):
            with Tagpulse("produce", "bluesky", "--tag", "#PolTwt", settings=settings, folder=tmp_path) as produce:
                await eventually(
                    lambda wanted=wanted: records.count(settings.kafka, settings.topics.raw) >= wanted,  # type: ignore[misc]
                    what="the posts of this connection",
                )
                produce.terminate()
                await eventually(lambda: not produce.running, 5, "the end")
                assert produce.wait(1) == 0
            assert len(server.queries) == connection
            assert len(lookups.asked) == connection
    assert server.cursors[0] is None
    assert server.cursors[1] is not None
    keys = records.by_key(records.read_all(settings.kafka, settings.topics.raw))
    assert len(keys) == 25 + 25 + 45


def test_help_shows_examples() -> None:
    for command in (["file"], ["bluesky"], []):
        done = subprocess.run(
            [sys.executable, "-m", "streams", "produce", *command, "--help"], capture_output=True, text=True, check=True
        )
        assert "Examples:" in done.stdout
        assert "tagpulse produce" in done.stdout
