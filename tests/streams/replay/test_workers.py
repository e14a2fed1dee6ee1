"""The workers of a run, replaced by processes that only wait."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import OffsetAndMetadata, TopicPartition

from streams.errors import TagpulseError
from streams.kafka import topics
from streams.kafka.reader import connect
from streams.processes.broker import Broker
from streams.replay import workers as module
from streams.replay.workers import Workers
from streams.settings import PREFIX, Settings, for_run
from tests.conftest import SettingsFactory
from tests.helpers.posts import raw_posts
from tests.helpers.processes import wait_until
from tests.helpers.records import produce

WAIT = f"""
import os, sys, time
print("arguments", *sys.argv[1:], flush=True)
print("run", os.environ["{PREFIX}RUN"], os.environ["{PREFIX}METRICS__PORT"], flush=True)
time.sleep(60)
"""
FAIL = """
import sys, time
if "parquet" in sys.argv: sys.exit("no memory today")
time.sleep(60)
"""
FAIL_AT_THE_END = """
import signal, sys, time
def end(*_): sys.exit("nothing was saved")
signal.signal(signal.SIGTERM, end)
print("arguments", flush=True)
time.sleep(60)
"""


@pytest.fixture
def settings(embedded_broker: Broker, settings_for: SettingsFactory) -> Settings:
    own = for_run(settings_for(embedded_broker), "again")
    topics.create(own)
    return own


@pytest.fixture
def workers(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Workers]]:
    """Return a function that makes workers whose processes run some code; they are closed at the end."""
    made: list[Workers] = []

    def make(code: str = WAIT, **options: Any) -> Workers:
        monkeypatch.setattr(module, "TAGPULSE", (sys.executable, "-c", code))
        made.append(Workers(settings, ["parquet", "postgres"], concurrency=2, logs=tmp_path / "logs", **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def logs(folder: Path) -> dict[str, list[str]]:
    return {path.stem: path.read_text().splitlines() for path in (folder / "logs").glob("*.log")}


def started(folder: Path, number: int) -> bool:
    """Return whether `number` processes are running."""
    return sum("arguments" in "".join(lines) for lines in logs(folder).values()) == number


def commit(settings: Settings, group: str, topic: str, offsets: dict[int, int]) -> None:
    consumer = connect(settings.kafka, f"{settings.kafka.group_prefix}.{group}")
    consumer.commit(
        {TopicPartition(topic, partition): OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()}
    )
    consumer.close()


def test_a_worker_of_each_kind_has_the_name_of_the_run(workers: Callable[..., Workers], tmp_path: Path) -> None:
    run = workers(watch=True)
    run.start()
    run.check()
    expected = {
        "enrich-concurrency-2": "worker enrich --concurrency 2",
        "store-sink-parquet": "worker store --sink parquet",
        "store-sink-postgres": "worker store --sink postgres",
        "watch-ends": f"worker watch --ends {tmp_path / 'logs' / 'ends.json'}",
    }
    wait_until(lambda: [len(lines) for lines in logs(tmp_path).values()] == [2] * 4, 20, "all have started")
    assert logs(tmp_path) == {name: [f"arguments {words}", "run again 0"] for name, words in expected.items()}
    run.stop()
    with pytest.raises(TagpulseError, match="ended with exit code 0"):
        run.check()


def test_a_worker_that_ends_is_an_error_with_its_log(workers: Callable[..., Workers]) -> None:
    run = workers(FAIL)
    run.start()

    def failed() -> str:
        try:
            run.check()
        except TagpulseError as error:
            return str(error)
        return ""

    message = "store-sink-parquet ended with exit code 1"
    assert wait_until(failed, 20).startswith(f"{message}; run the same command again to resume:\nno memory today (")
    with pytest.raises(TagpulseError, match=f"{message}:\nno memory today"):
        run.stop()


def test_a_worker_that_fails_when_it_is_stopped_is_an_error(workers: Callable[..., Workers], tmp_path: Path) -> None:
    run = workers(FAIL_AT_THE_END)
    run.start()
    wait_until(lambda: started(tmp_path, 3), 20)
    with pytest.raises(TagpulseError, match=r"(?s)ended with exit code 1.*nothing was saved"):
        run.stop()


def test_closing_ends_them_without_an_error(workers: Callable[..., Workers], tmp_path: Path) -> None:
    run = workers(FAIL_AT_THE_END)
    run.start()
    wait_until(lambda: started(tmp_path, 3), 20)
    run.close()
    with pytest.raises(TagpulseError, match="ended with exit code 1"):
        run.check()


def test_what_is_not_committed_is_left(settings: Settings, workers: Callable[..., Workers]) -> None:
    run, names = workers(watch=True), settings.topics
    assert set(run.left().items()) == {
        (name, 0) for name in ("enrich", "store-parquet", "store-postgres", "watch", "watch-spikes")
    }
    produce(settings.kafka, names.raw, raw_posts(range(10)), partition=0)
    produce(settings.kafka, names.raw, raw_posts(range(5)), partition=1)
    produce(settings.kafka, names.enriched, raw_posts(range(7)), partition=2)
    produce(settings.kafka, names.minutes, raw_posts(range(3)))
    left = {"enrich": 15, "store-parquet": 7, "store-postgres": 7, "watch": 7, "watch-spikes": 3}
    assert run.left() == left
    commit(settings, "enrich", names.raw, {0: 10, 1: 2})
    commit(settings, "store-parquet", names.enriched, {2: 7})
    commit(settings, "watch", names.minutes, {0: 2})
    assert run.left() == left | {"enrich": 3, "store-parquet": 0, "watch-spikes": 1}


def test_the_end_is_announced_once_everything_is_enriched(
    settings: Settings, workers: Callable[..., Workers], tmp_path: Path
) -> None:
    run, ends = workers(watch=True), tmp_path / "logs" / "ends.json"
    ends.parent.mkdir()
    ends.write_text("those of an earlier process")
    run.start()
    assert not ends.exists()
    produce(settings.kafka, settings.topics.enriched, raw_posts(range(7)), partition=2)
    run.end_input({"enrich": 1})
    assert (ends.exists(), run.is_ended) == (False, False)
    run.end_input({"enrich": 0})
    assert run.is_ended
    expected = {str(partition): 7 if partition == 2 else 0 for partition in range(settings.topics.partitions)}
    assert json.loads(ends.read_text()) == expected
    produce(settings.kafka, settings.topics.enriched, raw_posts(range(7)), partition=1)
    run.end_input({"enrich": 0})
    assert json.loads(ends.read_text()) == expected, "the end does not move"


def test_without_a_watch_worker_there_is_nothing_to_announce(
    settings: Settings, workers: Callable[..., Workers], tmp_path: Path
) -> None:
    run = workers()
    assert set(run.left()) == {"enrich", "store-parquet", "store-postgres"}
    run.end_input({"enrich": 0})
    assert run.is_ended
    assert not (tmp_path / "logs" / "ends.json").exists()
