"""A replay from its start to its manifest, with workers that answer within this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.contracts import HEADERS, ORIGIN_HEADER, encode, record_location
from streams.errors import BadInput, TagpulseError, Unavailable
from streams.kafka import topics
from streams.processes.broker import Broker
from streams.replay import replay as module
from streams.replay.reader import Bounds, Reader
from streams.replay.replay import Replay, ReplayProgress, ReplayRequest
from streams.replay.selection import Selection
from streams.replay.state import ReplaySpec, StateFolder
from streams.runtime.lossless import Record
from streams.settings import Settings, for_run
from tests.conftest import SettingsFactory
from tests.helpers.records import count, produce, read_all
from tests.streams.compare.two_runs import enriched

POSTS = [enriched(f"{number}") for number in range(5)]
NOW = datetime(2026, 6, 20, 12, tzinfo=UTC)


class Listed(Reader):
    """A reader that returns the posts as the items of a file."""

    partitions = None

    def __init__(self, broken: bool = False) -> None:
        self._broken = broken

    @property
    def bounds(self) -> Sequence[Bounds]:
        return [Bounds("file:day.jsonl", 0, 0, 5)]

    def items(self, *, in_time: bool) -> Iterator[Sequence[Record]]:
        if self._broken:
            raise Unavailable("the disk is gone")
        for offset, each in enumerate(POSTS):
            yield [Record("file:day.jsonl", 0, offset, 1_000 + offset, each.key, encode(each.post), ())]


class Workers:
    """Workers that enrich everything when the end of the input is announced."""

    made: list[Workers]
    error: TagpulseError | None

    def __init__(self, settings: Settings, sinks: Sequence[str], **options: Any) -> None:
        self.options = options | {"sinks": tuple(sinks)}
        self.events: list[str] = []
        self.is_ended = False
        self._settings = settings
        self.made.append(self)

    def start(self) -> None:
        self.events.append("start")

    def check(self) -> None:
        if self.error:
            raise self.error

    def left(self) -> dict[str, int]:
        return {"enrich": 0 if self.is_ended else count(self._settings.kafka, self._settings.topics.raw)}

    def end_input(self, left: dict[str, int]) -> None:
        assert left == {"enrich": 5}
        kafka, names = self._settings.kafka, self._settings.topics
        for record in read_all(kafka, names.raw):
            answer = next(post for post in POSTS if post.key == record.key)
            location = record_location(record.topic, record.partition, record.offset)
            headers = [*HEADERS, (ORIGIN_HEADER, location.encode())]
            produce(kafka, names.enriched, [(answer.key, encode(answer))], headers=headers)
        self.is_ended = True

    def stop(self) -> None:
        self.events.append("stop")

    def close(self) -> None:
        self.events.append("close")


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> list[Workers]:
    """The workers of each start of a replay."""
    Workers.made, Workers.error = [], None
    monkeypatch.setattr(module, "Workers", Workers)
    return Workers.made


@pytest.fixture
def settings(embedded_broker: Broker, settings_for: SettingsFactory) -> Settings:
    return for_run(settings_for(embedded_broker), "again")


@pytest.fixture
def replay(settings: Settings) -> Callable[..., Replay]:
    """Return a function that sets up the replay and appends the bounds that it requests to `asked`."""

    def make(*, origin: str = "day.jsonl", broken: bool = False, asked: list[Sequence[Bounds]] | None = None) -> Replay:
        def open_reader(bounds: Sequence[Bounds]) -> Reader:
            if asked is not None:
                asked.append(bounds)
            return Listed(broken)

        order = ReplaySpec(origin=origin, hashtags=("k9",))
        request = ReplayRequest(
            order=order, selection=Selection(), open_reader=open_reader, speed=float("inf"), concurrency=3
        )
        return Replay(request, settings, lambda: NOW)

    return make


def ignore(progress: ReplayProgress) -> None:
    pass


def test_everything_is_sent_enriched_and_accounted_for(
    replay: Callable[..., Replay], settings: Settings, made: list[Workers], tmp_path: Path
) -> None:
    asked: list[Sequence[Bounds]] = []
    shown: list[tuple[int, dict[str, int]]] = []
    manifest = replay(asked=asked).run(lambda progress: shown.append((progress.feed.chosen, dict(progress.left))))
    assert manifest is not None
    assert (manifest.run, manifest.read, manifest.enriched, manifest.dead) == ("again", 5, 5, 0)
    assert (manifest.reconciled, manifest.sinks) == (True, {})
    assert (manifest.source, manifest.selection) == ("day.jsonl", {"hashtags": ("k9",)})
    assert (manifest.started_at, manifest.finished_at) == ("2026-06-20T12:00:00+00:00",) * 2
    assert manifest.seconds == 0.0
    assert shown[-1] == (5, {"enrich": 0})
    [workers] = made
    assert workers.events == ["start", "stop", "close"]
    logs = StateFolder(settings.produce.state_path).logs("again")
    assert workers.options == {"sinks": (), "concurrency": 3, "logs": logs, "watch": True}
    assert asked == [()]


def test_a_finished_run_is_not_repeated(replay: Callable[..., Replay], settings: Settings, made: list[Workers]) -> None:
    first = replay().run(ignore)
    asked: list[Sequence[Bounds]] = []
    again = replay(asked=asked, broken=True).run(ignore)
    assert msgspec.json.encode(again) == msgspec.json.encode(first)
    assert (asked, len(made)) == ([], 1)


def test_a_run_with_other_options_is_refused(replay: Callable[..., Replay], made: list[Workers]) -> None:
    replay().run(ignore)
    with pytest.raises(BadInput, match=r"started with other options \(from=day.jsonl, hashtags=k9\)"):
        replay(origin="night.jsonl").run(ignore)
    assert len(made) == 1


def test_existing_topics_are_not_filled(replay: Callable[..., Replay], settings: Settings, made: list[Workers]) -> None:
    topics.create(settings)
    with pytest.raises(BadInput, match=f"the topic {settings.topics.raw} exists already"):
        replay().run(ignore)
    assert made == []
    assert StateFolder(settings.produce.state_path).load("again") is None


def test_a_stopped_replay_is_resumed(replay: Callable[..., Replay], settings: Settings, made: list[Workers]) -> None:
    one = replay()
    assert one.run(lambda progress: one.stop()) is None
    assert made[0].events == ["start", "close"]
    state = StateFolder(settings.produce.state_path).load("again")
    assert state is not None
    assert (state.manifest, state.bounds) == (None, Listed().bounds)
    asked: list[Sequence[Bounds]] = []
    manifest = replay(asked=asked).run(ignore)
    assert manifest is not None
    assert (manifest.read, manifest.enriched) == (5, 5)
    assert count(settings.kafka, settings.topics.raw) == 5, "nothing is sent twice"
    assert asked == [Listed().bounds]


def test_a_replay_that_is_stopped_before_its_start_sends_nothing(
    replay: Callable[..., Replay], made: list[Workers]
) -> None:
    one = replay()
    one.stop()
    assert one.run(ignore) is None
    assert made[0].events == ["start", "close"]


def test_a_worker_that_fails_ends_the_replay(replay: Callable[..., Replay], made: list[Workers]) -> None:
    Workers.error = TagpulseError("the worker has died")
    with pytest.raises(TagpulseError, match="the worker has died"):
        replay().run(ignore)
    assert made[0].events == ["start", "close"]
    Workers.error = None
    manifest = replay().run(ignore)
    assert manifest is not None
    assert manifest.enriched == 5, "once fixed, the same replay continues"


def test_a_source_that_fails_ends_the_replay(replay: Callable[..., Replay], made: list[Workers]) -> None:
    with pytest.raises(Unavailable, match="the disk is gone"):
        replay(broken=True).run(ignore)
    assert made[0].events == ["start", "close"]


def test_two_processes_do_not_replay_the_same_run(replay: Callable[..., Replay], settings: Settings) -> None:
    error = pytest.raises(BadInput, match="is being replayed by another process")
    with StateFolder(settings.produce.state_path).only_one("again"), error:
        replay().run(ignore)
