"""The demo waits for every message and stops everything, however it ends; its processes do no work here."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streams.contracts import DeadLetter, Deletion, EnrichedPost, RawMessage, encode
from streams.demo import play as module
from streams.demo.feed import BAD_RECORDS
from streams.demo.play import play, prepare
from streams.demo.state import Play
from streams.errors import TagpulseError
from streams.kafka import topics
from streams.processes.broker import Broker
from streams.processes.process import Process
from streams.sample_day import END
from streams.settings import PREFIX, Settings
from streams.up.part import Part
from tests.conftest import SettingsFactory
from tests.helpers.processes import wait_until
from tests.helpers.records import produce, read_all
from tests.streams.compare.two_runs import write_run
from tests.streams.demo.day import CAMPAIGN, enriched

POSTS = [enriched(number) for number in range(4)]
DELETION = Deletion(source="test", id="3", deleted_at=END)
SLEEP = "import time; time.sleep(60)"


class Stage:
    """A stage whose processes only wait; `start` and `look` do their work."""

    def __init__(
        self, settings: Settings, folder: Path, *, enrich: str = SLEEP, stored: Sequence[EnrichedPost]
    ) -> None:
        self.settings = settings
        self.day = folder / "day.jsonl"
        self.lake = folder / "lake"
        self.wanted = SimpleNamespace(speed=inf)
        self._stored = stored
        self.broker = Process("broker", (sys.executable, "-c", SLEEP), folder / "broker.log")
        codes = {"produce": "", "enrich": enrich, "store-parquet": SLEEP}
        self.parts = [
            Part(name, (sys.executable, "-c", code), folder / f"{name}.log", restart=False, ends=name == "produce")
            for name, code in codes.items()
        ]

    def part(self, name: str) -> Part:
        return next(part for part in self.parts if part.name == name)

    def start(self) -> None:
        for process in (self.broker, *self.parts):
            process.start()
        messages: list[RawMessage] = [*(each.post for each in POSTS), DELETION]
        self.day.write_bytes(b"".join(encode(each) + b"\n" for each in messages))
        topics.create(self.settings)
        produce(self.settings.kafka, self.settings.topics.raw, [(each.key, encode(each)) for each in messages])
        results = [*((each.key, encode(each)) for each in POSTS), (DELETION.key, encode(DELETION))]
        produce(self.settings.kafka, self.settings.topics.enriched, results)
        asyncio.run(write_run(self.lake, "live", self._stored))
        wait_until(lambda: self.part("produce").state == "done", 20)

    def look(self) -> None:
        for part in self.parts:
            part.look()
        if not read_all(self.settings.kafka, self.settings.topics.dead):
            letters = [_letter(record) for record in read_all(self.settings.kafka, self.settings.topics.raw)]
            produce(self.settings.kafka, self.settings.topics.dead, [(None, each) for each in letters if each])


def _letter(record: Any) -> bytes | None:
    if record.value not in [value for value, _ in BAD_RECORDS]:
        return None
    letter = DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp,
        key=None,
        value=record.value,
        headers=(),
        reason="malformed",
        error="broken",
        attempts=1,
        failed_at=END,
    )
    return encode(letter)


@pytest.fixture
def started(embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path) -> Callable[..., Play]:
    def make(**options: Any) -> Play:
        stage: Any = Stage(settings_for(embedded_broker), tmp_path, **options)
        return Play(stage, time.monotonic())

    return make


def processes(run: Play) -> list[Process]:
    return [run.stage.broker, *run.stage.parts]


def test_it_ends_when_everything_has_arrived(started: Callable[..., Play]) -> None:
    run, shown = started(stored=POSTS[:3]), []
    summary = play(run, lambda: shown.append(run.tally.produced))
    assert summary.is_complete
    assert (summary.produced, summary.enriched, summary.deletions, summary.dead) == (8, 4, 1, 3)
    assert (summary.posts, summary.stored, summary.missing) == (3, 3, 0)
    assert run.messages == 5 + len(BAD_RECORDS)
    assert run.progress == 1.0
    assert run.first_enriched is not None
    assert shown[-1] == 8
    assert [each.running for each in processes(run)] == [False] * 4
    assert [part.exit_code for part in run.stage.parts] == [0, 0, 0], "the workers were asked to end"


def test_a_part_that_dies_ends_it_with_its_log(started: Callable[..., Play]) -> None:
    run = started(stored=[], enrich="print('no memory today'); raise SystemExit(3)")
    wrong = r"(?s)enrich ended with exit code 3:\nno memory today"
    with pytest.raises(TagpulseError, match=wrong):
        play(run, lambda: None)
    assert [each.running for each in processes(run)] == [False] * 4


def test_an_interrupt_leaves_no_process(started: Callable[..., Play]) -> None:
    run = started(stored=POSTS[:3])

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play(run, interrupt)
    assert [each.running for each in processes(run)] == [False] * 4


def test_posts_that_are_not_stored_in_time_are_an_error(
    started: Callable[..., Play], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock:
        now = 1_000.0

        def monotonic(self) -> float:
            return self.now

        def sleep(self, seconds: float) -> None:
            self.now += 10

    monkeypatch.setattr(module, "time", Clock())
    run = started(stored=POSTS[:2])
    with pytest.raises(TagpulseError, match="the lake contains 2 of 3 posts; store-parquet makes no progress"):
        play(run, lambda: None)
    assert [each.running for each in processes(run)] == [False] * 4


@pytest.mark.parametrize(("kind", "sessions"), [("embedded", "3"), ("apache", "6")])
def test_a_demo_is_a_trial_of_its_own(
    kind: Any, sessions: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path))
    monkeypatch.setenv(f"{PREFIX}LAKE__FLUSH_SECONDS", "99")
    monkeypatch.setenv(f"{PREFIX}MODEL__BACKEND", "constant")
    run = prepare(tmp_path / "demo", kind=kind, campaign=CAMPAIGN, speed=720.0, started=5.0)
    assert (run.started, run.messages, run.stage.wanted.speed) == (5.0, 1, 720.0)
    assert [part.name for part in run.stage.parts] == ["produce", "enrich", "store-parquet"]
    environment = run.stage.part("enrich").environment
    assert environment[f"{PREFIX}CAMPAIGN"] == str(CAMPAIGN)
    assert environment[f"{PREFIX}ENRICH__BATCH_SIZE"] == "64"
    assert environment[f"{PREFIX}LAKE__FLUSH_SECONDS"] == "1", "the settings of the user do not apply"
    assert environment[f"{PREFIX}MODEL__BACKEND"] == "constant", "except those of the model"
    assert environment[f"{PREFIX}KAFKA__SESSION_TIMEOUT_SECONDS"] == sessions
    assert [part.state for part in run.stage.parts] == ["waiting"] * 3
