"""The plan of a replay: what it would read and send, and how long that would take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.enrichment import Enrichment
from models.languages import Hints
from streams.contracts import Deletion, encode
from streams.replay.plan import ReplayPlan, make_plan
from streams.replay.reader import Bounds, Reader
from streams.replay.selection import Selection
from streams.runtime.lossless import Record
from tests.helpers.posts import raw_posts
from tests.helpers.scripted_model import ScriptedEnricher

NOON_MS = int(datetime(2026, 6, 20, 12, tzinfo=UTC).timestamp() * 1000)


class Listed(Reader):
    """A reader of the given items, three at a time, of a topic with two partitions."""

    def __init__(self, items: Sequence[Record]) -> None:
        self._items = items

    @property
    def bounds(self) -> Sequence[Bounds]:
        return [Bounds("posts.raw", partition, 0, None) for partition in (0, 1)]

    def items(self, *, in_time: bool) -> Iterator[Sequence[Record]]:
        for start in range(0, len(self._items), 3):
            yield self._items[start : start + 3]


class Timed(ScriptedEnricher):
    """A model that takes a fixed time for each text, according to its own clock."""

    def __init__(self, seconds: float) -> None:
        super().__init__({})
        self._seconds = seconds
        self.now = 0.0

    def enrich(self, texts: Sequence[str], hints: Hints | None = None) -> list[Enrichment]:
        self.now += self._seconds * len(texts)
        return super().enrich(texts, hints)

    def clock(self) -> float:
        return self.now


def item(number: int, value: bytes | None = None, *, seconds: float = 0.0) -> Record:
    """Return an item whose partition is 0 if its number is even; by default it is a post with the hashtag poltwt."""
    [(key, post)] = raw_posts([number])
    time_ms = NOON_MS + int(seconds * 1000)
    return Record("posts.raw", number % 2, number // 2, time_ms, key, post if value is None else value, ())


def plan(items: Sequence[Record], selection: Selection | None = None, **options: float) -> ReplayPlan:
    model = Timed(options.get("each", 0.01))
    chosen = selection or Selection()
    return make_plan(Listed(items), chosen, model, speed=options.get("speed", inf), clock=model.clock)


def test_each_partition_has_its_counts_and_its_times() -> None:
    since = datetime(2026, 6, 20, 12, tzinfo=UTC) + timedelta(seconds=2)
    found = plan([item(number, seconds=number) for number in (4, 2, 0, 6, 1, 3)], Selection(since=since))
    even, odd = found.parts
    assert (even.name, even.partition, even.read, even.chosen) == ("posts.raw", 0, 4, 3)
    assert (even.first_ms, even.last_ms) == (NOON_MS + 2_000, NOON_MS + 6_000)
    assert (odd.read, odd.chosen, odd.first_ms, odd.last_ms) == (2, 1, NOON_MS + 3_000, NOON_MS + 3_000)
    assert (found.chosen, found.unreadable) == (4, 0)


def test_an_empty_plan_takes_no_time() -> None:
    found = plan([], speed=1)
    assert [(part.read, part.chosen, part.first_ms, part.last_ms) for part in found.parts] == [(0, 0, None, None)] * 2
    assert (found.chosen, found.seconds, found.posts_per_second) == (0, 0.0, 0.0)


def test_it_takes_as_long_as_the_slower_of_pace_and_model() -> None:
    items = [item(number, seconds=number * 10) for number in range(7)]
    assert plan(items, each=0.5).seconds == pytest.approx(3.5), "without pacing only the model counts"
    assert plan(items, each=0.5, speed=10).seconds == pytest.approx(6.0), "a minute of the day"
    assert plan(items, each=0.5, speed=60).seconds == pytest.approx(3.5)
    assert plan(items, each=0.5).posts_per_second == pytest.approx(2.0)


def test_what_cannot_be_decoded_is_left_out_only_if_its_content_matters() -> None:
    items = [item(0), item(1, b"{"), item(2)]
    whole = plan(items)
    assert (whole.chosen, whole.unreadable) == (3, 0), "it becomes a dead letter of the run"
    by_hashtag = plan(items, Selection(hashtags=frozenset({"poltwt"})))
    assert (by_hashtag.chosen, by_hashtag.unreadable) == (2, 1)


def test_only_posts_are_shown_to_the_model() -> None:
    deletion = encode(Deletion(source="test", id="0", deleted_at=datetime(2026, 6, 20, tzinfo=UTC)))
    found = plan([item(0, deletion), item(1, b"{")], speed=inf)
    assert (found.chosen, found.posts_per_second, found.seconds) == (2, 0.0, 0.0)
    assert plan([item(0, deletion), item(1)], each=0.25).posts_per_second == pytest.approx(4.0)


def test_the_model_is_timed_on_a_part_of_many_posts() -> None:
    model = Timed(0.001)
    found = make_plan(Listed([item(number) for number in range(700)]), Selection(), model, speed=inf, clock=model.clock)
    assert model.batches == [512]
    assert found.seconds == pytest.approx(0.7)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(-1_000, 1_000)), max_size=20), st.floats(0.1, 1_000))
def test_the_pace_depends_only_on_the_first_and_the_last_message(places: list[tuple[int, int]], speed: float) -> None:
    found = plan([item(partition, seconds=seconds) for partition, seconds in places], each=0.0, speed=speed)
    times = [seconds for _, seconds in places]
    expected = (max(times) - min(times)) / speed if times else 0.0
    assert found.seconds == pytest.approx(expected, abs=1e-6)
    assert sum(part.read for part in found.parts) == found.chosen == len(places)
