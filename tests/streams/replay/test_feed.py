"""The feed of a replay: on time, in order, with the original keys and times, and without duplicates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest

from streams.contracts import origin_of
from streams.kafka import topics
from streams.processes.broker import Broker
from streams.replay.feed import ReplayFeed, resume_point
from streams.replay.reader import Bounds, Reader
from streams.replay.selection import Selection
from streams.runtime.lossless import Record
from streams.settings import Settings, for_run
from tests.conftest import SettingsFactory
from tests.helpers.posts import raw_posts
from tests.helpers.records import read_all

START_MS = 1_781_942_400_000


class Listed(Reader):
    """A reader of the given items, `at_once` at a time; it raises after `limit` items, like a process that is killed."""

    def __init__(self, items: Sequence[Record], at_once: int = 7, limit: int | None = None) -> None:
        self._items = items
        self._at_once = at_once
        self._limit = limit

    @property
    def bounds(self) -> Sequence[Bounds]:
        return []

    def items(self, *, in_time: bool) -> Iterator[Sequence[Record]]:
        for start in range(0, len(self._items), self._at_once):
            if self._limit is not None and start >= self._limit:
                raise InterruptedError
            yield self._items[start : start + self._at_once]


def listed(number: int, seconds: float = 1.0) -> list[Record]:
    pairs = raw_posts(range(number))
    return [
        Record("posts.raw", place % 3, place // 3, START_MS + int(place * seconds * 1000), key, value, ())
        for place, (key, value) in enumerate(pairs)
    ]


@pytest.fixture
def run_settings(embedded_broker: Broker, settings_for: SettingsFactory) -> Settings:
    settings = for_run(settings_for(embedded_broker), "again")
    topics.create(settings)
    return settings


class Clock:
    """A clock that only advances in sleeps, which take `lag` seconds longer than requested."""

    def __init__(self, lag: float) -> None:
        self.now = 1_000.0
        self._lag = lag

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds + self._lag


def test_an_hour_at_sixty_times_the_speed_ends_on_time(run_settings: Settings) -> None:
    items, clock = listed(361, seconds=10), Clock(lag=0.003)
    feed = ReplayFeed(Listed(items), Selection(), run_settings, speed=60, clock=clock, sleep=clock.sleep)
    assert feed.run(resume_point(run_settings))
    assert clock.now - 1_000 == pytest.approx(60, abs=0.5), "delays must not add up"
    assert feed.progress.late_seconds < 0.5


def test_keys_values_and_times_are_the_original_ones(run_settings: Settings) -> None:
    items = listed(50)
    assert ReplayFeed(Listed(items), Selection(), run_settings).run(resume_point(run_settings))
    found = {origin_of(record.headers): record for record in read_all(run_settings.kafka, run_settings.topics.raw)}
    assert set(found) == {item.location for item in items}
    for item in items:
        record = found[item.location]
        assert (record.key, record.value, record.timestamp) == (item.key, item.value, item.timestamp_ms)


def test_after_a_kill_it_resumes_without_omissions_or_repetitions(run_settings: Settings) -> None:
    items = listed(300)
    for limit in (70, 70, 210):
        with pytest.raises(InterruptedError):
            ReplayFeed(Listed(items, limit=limit), Selection(), run_settings).run(resume_point(run_settings))
    assert ReplayFeed(Listed(items), Selection(), run_settings).run(resume_point(run_settings))
    records = read_all(run_settings.kafka, run_settings.topics.raw)
    assert sorted(origin_of(record.headers) or "" for record in records) == sorted(item.location for item in items)
    for partition in {record.partition for record in records}:
        times = [record.timestamp for record in records if record.partition == partition]
        assert all(earlier <= later for earlier, later in pairwise(times))


def test_a_record_too_large_for_the_topic_is_a_dead_letter_with_its_origin(
    embedded_broker: Broker, settings_for: SettingsFactory
) -> None:
    settings = for_run(settings_for(embedded_broker, topics={"max_message_bytes": 2_000}), "again")
    topics.create(settings)
    small, large = listed(2)
    large = large._replace(value=b"x" * 5_000)
    assert ReplayFeed(Listed([small, large]), Selection(), settings).run(resume_point(settings))
    (letter,) = read_all(settings.kafka, settings.topics.dead)
    assert b'"offset":0,' in letter.value
    assert b'"partition":1,' in letter.value
    assert b'"cut":true' in letter.value, "otherwise it could be sent back without what was cut"
    assert len(read_all(settings.kafka, settings.topics.raw)) == 1


def test_a_stopped_feed_is_not_done(run_settings: Settings) -> None:
    feed = ReplayFeed(Listed(listed(100)), Selection(), run_settings)
    feed.stop()
    assert not feed.run(resume_point(run_settings))
    assert not feed.progress.done
