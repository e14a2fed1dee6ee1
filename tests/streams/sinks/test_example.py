"""The sink of the guide, installed as a package of its own, does what it says through crashes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from streams import topics
from streams.broker import Broker
from streams.contracts import decode_enriched, encode
from streams.lossless import Record
from streams.settings import Settings
from streams.sinks.base import Row, Sink
from tests.conftest import SettingsFactory
from tests.helpers.brokers import ROOT, own_settings
from tests.helpers.processes import Tagpulse, wait_until
from tests.helpers.records import produce

EXAMPLE = ROOT / "docs" / "examples" / "sink.py"
WRITTEN = ROOT / "tests" / "contracts" / "v1"
POST = (WRITTEN / "enriched_post_minimal.json").read_bytes()
POSTS = 300


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of packages with the example in it, as `pip install` leaves them."""
    folder = tmp_path / "site"
    about = folder / "jsonlines_sink-1.0.dist-info"
    about.mkdir(parents=True)
    (folder / "jsonlines_sink.py").write_text(EXAMPLE.read_text())
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: jsonlines-sink\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[tagpulse.sinks]\njsonlines = jsonlines_sink:JsonLines\n")
    return folder


@pytest.fixture
def kind(site: Path, monkeypatch: pytest.MonkeyPatch) -> type[Sink]:
    monkeypatch.syspath_prepend(site)
    from streams.sinks.registry import find_sink

    return find_sink("jsonlines")


def lines(path: Path) -> list[int]:
    found = [json.loads(line) for line in path.read_bytes().splitlines()]
    for each in found:
        decode_enriched(json.dumps(each["message"]).encode())
    return [each["offset"] for each in found]


def rows(offsets: range) -> list[Row]:
    message = decode_enriched(POST)
    return [Row(Record("enriched", 0, offset, 0, b"k", encode(message), ()), message) for offset in offsets]


def test_it_is_as_short_as_the_guide_says() -> None:
    code = [line for line in EXAMPLE.read_text().splitlines() if line.strip()]
    assert len(code) < 50


@pytest.mark.parametrize("torn", [0, 1, 20])
async def test_rows_that_come_again_after_a_crash_are_there_once(
    kind: type[Sink], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torn: int
) -> None:
    monkeypatch.setenv("JSONLINES_PATH", str(tmp_path))
    settings = own_settings("127.0.0.1:1", tmp_path)
    before = kind.from_settings(settings)
    await before.open()
    await before.write(rows(range(10)))
    assert (await before.flush()).stored == 10
    await before.write(rows(range(10, 12)))
    path = tmp_path / "live" / "enriched-0.jsonl"
    if torn:
        with path.open("rb+") as file:
            file.truncate(path.stat().st_size - torn)

    after = kind.from_settings(settings)
    await after.open()
    await after.write(rows(range(5, 15)))
    assert (await after.flush()).stored == 5 + bool(torn)
    assert (await after.flush()).stored == 0
    assert lines(path) == list(range(15))
    await after.close()


def test_the_worker_finds_it_by_its_entry_point(
    embedded_broker: Broker, settings_for: SettingsFactory, site: Path, tmp_path: Path
) -> None:
    settings: Settings = settings_for(embedded_broker, topics={"partitions": 2})
    topics.create(settings)
    pairs = [(f"file:{number}".encode(), POST) for number in range(POSTS)]
    produce(settings.kafka, settings.topics.enriched, pairs[: POSTS // 2])
    env = {
        "PYTHONPATH": os.pathsep.join([str(site), *filter(None, sys.path)]),
        "JSONLINES_PATH": str(tmp_path / "out"),
    }
    store = ("worker", "store", "--sink", "jsonlines")

    def stored() -> int:
        return sum(len(path.read_bytes().splitlines()) for path in (tmp_path / "out").glob("live/*.jsonl"))

    with Tagpulse(*store, settings=settings, folder=tmp_path, env=env) as worker:
        wait_until(lambda: stored() >= POSTS // 2, 60, "the first half")
        worker.kill()
    produce(settings.kafka, settings.topics.enriched, pairs[POSTS // 2 :])
    with Tagpulse(*store, settings=settings, folder=tmp_path, env=env) as worker:
        wait_until(lambda: stored() >= POSTS, 60, "the second half")
        worker.terminate()
        assert worker.wait() == 0
    for path in (tmp_path / "out" / "live").iterdir():
        offsets = lines(path)
        assert offsets == list(range(len(offsets)))
    assert stored() == POSTS
