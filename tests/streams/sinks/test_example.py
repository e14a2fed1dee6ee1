"""The example sink of the guide, installed as a separate package, works and survives crashes."""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from streams.contracts import Deletion, EnrichedMessage, decode_enriched, encode
from streams.errors import Unavailable
from streams.kafka import topics
from streams.processes.broker import Broker
from streams.sinks.base import Sink
from tests.conftest import SettingsFactory
from tests.helpers.brokers import ROOT, own_settings
from tests.helpers.packages import installed
from tests.helpers.processes import Tagpulse, wait_until
from tests.helpers.records import produce
from tests.helpers.rows import START, enriched, row

EXAMPLE = ROOT / "docs" / "examples" / "sink.py"
POSTS = 300


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return installed(tmp_path, EXAMPLE, "sqlite_sink", "[tagpulse.sinks]\nsqlite = sqlite_sink:Sqlite\n")


@pytest.fixture
def kind(site: Path, monkeypatch: pytest.MonkeyPatch) -> type[Sink]:
    monkeypatch.syspath_prepend(site)
    from streams.sinks.registry import SINKS

    return SINKS.find("sqlite")


def messages(folder: Path) -> dict[str, EnrichedMessage | None]:
    """Return the messages in the file of the live run by key; None for a deleted post."""
    with closing(sqlite3.connect(folder / "live.sqlite")) as file:
        found = file.execute("select key, value from posts").fetchall()
    return {key.decode(): value and decode_enriched(value) for key, value in found}


def test_it_is_as_short_as_the_guide_says() -> None:
    assert len([line for line in EXAMPLE.read_text().splitlines() if line.strip()]) <= 30


async def test_rows_that_arrive_again_after_a_crash_change_nothing(
    kind: type[Sink], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLITE_FOLDER", str(tmp_path))
    edit = enriched("1", text="edited", edited_at=START)
    gone = Deletion(source="test", id="2", deleted_at=START)
    given: list[EnrichedMessage] = [enriched("1"), enriched("2"), edit, gone, enriched("3")]
    rows = [row(offset, message) for offset, message in enumerate(given)]
    before = kind.from_settings(own_settings("127.0.0.1:1", tmp_path))
    await before.open()
    await before.write(rows[:4])
    assert (await before.flush()).stored == 4
    await before.write(rows[4:])
    await before.close()  # without a flush, as if the process had been killed

    after = kind.from_settings(own_settings("127.0.0.1:1", tmp_path))
    await after.open()
    await after.write(rows[2:])
    assert (await after.flush()).stored == 1
    assert (await after.flush()).stored == 0
    await after.close()
    assert messages(tmp_path) == {"test:1": edit, "test:2": None, "test:3": given[4]}


async def test_a_file_that_cannot_be_written_is_waited_for(
    kind: type[Sink], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLITE_FOLDER", str(tmp_path))
    sink = kind.from_settings(own_settings("127.0.0.1:1", tmp_path))
    await sink.open()
    await sink.write([row(0, enriched("1"))])
    with closing(sqlite3.connect(tmp_path / "live.sqlite", isolation_level=None)) as other:
        other.execute("begin exclusive")
        with pytest.raises(Unavailable, match="locked"):
            await sink.flush()
    assert (await sink.flush()).stored == 1
    await sink.close()


def test_the_worker_finds_it_by_its_entry_point(
    embedded_broker: Broker, settings_for: SettingsFactory, site: Path, tmp_path: Path
) -> None:
    settings = settings_for(embedded_broker, topics={"partitions": 2})
    topics.create(settings)
    posts = [enriched(str(number)) for number in range(POSTS)]
    pairs = [(post.key, encode(post)) for post in posts]
    produce(settings.kafka, settings.topics.enriched, pairs[: POSTS // 2])
    env = {"PYTHONPATH": os.pathsep.join([str(site), *filter(None, sys.path)]), "SQLITE_FOLDER": str(tmp_path)}
    store = ("worker", "store", "--sink", "sqlite")

    def stored() -> int:
        try:
            return len(messages(tmp_path))
        except sqlite3.OperationalError:  # there is no table yet, or the file is being written
            return 0

    with Tagpulse(*store, settings=settings, folder=tmp_path, env=env) as worker:
        wait_until(lambda: stored() >= POSTS // 2, 60, "the first half")
        worker.kill()
    produce(settings.kafka, settings.topics.enriched, pairs[POSTS // 2 :])
    with Tagpulse(*store, settings=settings, folder=tmp_path, env=env) as worker:
        wait_until(lambda: stored() >= POSTS, 60, "the second half")
        worker.terminate()
        assert worker.wait() == 0
    assert messages(tmp_path) == {post.key.decode(): post for post in posts}
