"""Live networks from the command line: `tagpulse produce mastodon`, `tagpulse produce x` and `tagpulse record`."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from streams.cli.tail import as_line
from streams.contracts import Gap, Post, decode_gap, decode_raw
from streams.kafka import topics
from streams.processes.broker import Broker
from tests.conftest import SettingsFactory
from tests.helpers import mastodon, records, x
from tests.helpers.jetstream import frame, jetstream, send, stay
from tests.helpers.processes import Tagpulse, eventually, run_tagpulse


def written(settings: Any, topic: str) -> int:
    return records.count(settings.kafka, topic)


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_it_listens_to_mastodon_and_fetches_missed_posts(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    timeline = [mastodon.status(number) for number in range(30)]
    first: list[mastodon.Act] = [mastodon.send(*map(mastodon.update, range(10))), mastodon.stay]
    async with mastodon.mastodon(first, [mastodon.stay], missed=timeline) as server:
        settings = settings_for(embedded_broker, mastodon={"instances": server.url, "tokens": mastodon.TOKEN})
        topics.create(settings)
        for wanted in (10, 30):
            with Tagpulse("produce", "mastodon", "--tag", "#PolTwt", settings=settings, folder=tmp_path) as produce:
                await eventually(
                    partial(records.reached, settings.kafka, settings.topics.raw, wanted), what="the posts"
                )
                produce.terminate()
                await eventually(lambda: not produce.running, 10, "the end")
                assert produce.wait(1) == 0, produce.stderr
        assert server.streams[0].headers["authorization"] == f"Bearer {mastodon.TOKEN}"
    found = [decode_raw(record.value) for record in records.read_all(settings.kafka, settings.topics.raw)]
    assert sorted(int(post.id.rpartition("/")[2]) for post in found) == list(range(30))
    assert mastodon.TOKEN.encode() not in everything_in(tmp_path)


async def test_a_gap_in_the_feed_of_x_is_written_to_the_gaps_topic(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    async with x.x([x.send(x.line(0)), x.cut], [x.send(x.line(1)), x.stay]) as server:
        settings = settings_for(embedded_broker, x={"url": server.url, "token": x.TOKEN})
        topics.create(settings)
        with Tagpulse("produce", "x", "--tag", "poltwt", "--json", settings=settings, folder=tmp_path) as produce:
            await eventually(lambda: written(settings, settings.topics.raw) == 2, what="the posts")
            await eventually(lambda: written(settings, settings.topics.gaps) == 1, what="the gap")
            produce.interrupt()
            await eventually(lambda: not produce.running, 10, "the end")
            assert json.loads(produce.stdout)["stopped"] is True
    [record] = records.read_all(settings.kafka, settings.topics.gaps)
    gap = decode_gap(record.value)
    assert isinstance(gap, Gap)
    assert (record.key, gap.source, gap.since is not None) == (b"x", "x", True)
    assert f"gap in the feed of {gap.origin} since" in as_line(record)
    assert x.TOKEN.encode() not in everything_in(tmp_path)


@pytest.mark.parametrize(
    ("network", "section", "setting"),
    [("x", {"token": "wrong"}, "TAGPULSE_X__TOKEN"), ("mastodon", {"tokens": "wrong"}, "TAGPULSE_MASTODON__TOKENS")],
)
async def test_a_wrong_token_stops_the_command_with_an_error_line(
    network: str,
    section: dict[str, str],
    setting: str,
    embedded_broker: Broker,
    settings_for: SettingsFactory,
    tmp_path: Path,
) -> None:
    async with x.x([x.stay]) as x_server, mastodon.mastodon(401) as mastodon_server:
        place = {"url": x_server.url} if network == "x" else {"instances": mastodon_server.url}
        settings = settings_for(embedded_broker, **{network: place | section})
        topics.create(settings)
        with Tagpulse("produce", network, "--tag", "poltwt", settings=settings, folder=tmp_path) as produce:
            await eventually(lambda: not produce.running, 20, "the end")
            assert produce.wait(1) == 77
    last = produce.stderr.splitlines()[-1]
    assert last.startswith("tagpulse: ")
    assert setting in last
    assert "Traceback" not in produce.stderr


async def test_a_recording_is_played_through_the_same_parser(
    embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path
) -> None:
    path = tmp_path / "day.zst"
    frames = [frame(number, text="#other" if number % 2 else "#poltwt") for number in range(100)]
    async with jetstream([send(*frames)], [stay]) as server:
        settings = settings_for(embedded_broker, bluesky={"url": server.url, "profiles": False})
        topics.create(settings)
        arguments = ("record", "bluesky", "--tag", "poltwt", "--to", path, "--seconds", "60", "--json")
        with Tagpulse(*arguments, settings=settings, folder=tmp_path) as recording:
            await eventually(lambda: len(server.queries) == 2, 30, "that it has read all and connects again")
            recording.terminate()
            await eventually(lambda: not recording.running, 10, "the end")
            assert recording.wait(1) == 0, recording.stderr
    assert json.loads(recording.stdout)["frames"] == 100
    done = run_tagpulse("produce", "file", "--as", "bluesky", "--tag", "poltwt", path, "--json", settings=settings)
    assert json.loads(done.stdout)["sent"] == 50, done.stderr
    found = [decode_raw(record.value) for record in records.read_all(settings.kafka, settings.topics.raw)]
    assert all(isinstance(post, Post) and post.source == "bluesky" for post in found)
    wrong = run_tagpulse("produce", "file", "--as", "x", path, settings=settings)
    assert (wrong.returncode, "a recording of bluesky" in wrong.stderr) == (65, True)
    again = run_tagpulse("record", "bluesky", "--to", path, settings=settings)
    assert (again.returncode, "the recording cannot be written" in again.stderr) == (65, True)


def test_wrong_usage_is_reported(embedded_broker: Broker, settings_for: SettingsFactory) -> None:
    settings = settings_for(embedded_broker)
    assert "--tag is for --as" in run_tagpulse("produce", "file", "--tag", "a", "x.jsonl", settings=settings).stderr
    assert "name at least one in the campaign" in run_tagpulse("produce", "mastodon", settings=settings).stderr
    assert "TAGPULSE_X__TOKEN is missing" in run_tagpulse("produce", "x", "--tag", "a", settings=settings).stderr
    assert (
        "no post can contain" in run_tagpulse("record", "x", "--tag", "a b", "--to", "x.zst", settings=settings).stderr
    )
