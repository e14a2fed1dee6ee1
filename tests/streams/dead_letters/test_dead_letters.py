"""Which letters are found, which can be retried, at what rate, and what is reported for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.agents.dead_letter import dead_letter
from streams.contracts import ATTEMPTS_HEADER, REFUSED_HEADER, DeadLetter, DeadLetterOutcome, decode_dead
from streams.dead_letters.outcomes import (
    LetterResult,
    RecordContent,
    drop,
    drop_obstacle,
    make_plan,
    retry,
    retry_obstacle,
)
from streams.dead_letters.reader import FoundLetter, LetterFilter, check_location
from streams.errors import BadMessage, Refused, Unavailable
from streams.runtime.lossless import Record

NOON = datetime(2026, 6, 20, 12, tzinfo=UTC)
TARGETS = {"raw": frozenset(range(4)), "gone": frozenset[int]()}


def found(number: int = 0, outcome: str | None = None, **fields: Any) -> FoundLetter:
    given_fields: dict[str, Any] = {
        "topic": "raw",
        "partition": 1,
        "offset": number,
        "timestamp_ms": 1_000 + number,
        "key": b"key",
        "value": b"value",
        "headers": (),
        "reason": "malformed",
        "error": "broken",
        "attempts": 1,
        "failed_at": NOON,
    }
    letter = DeadLetter(**given_fields | fields)
    made = None
    if outcome is not None:
        made = DeadLetterOutcome(partition=0, offset=100 + number, outcome=outcome, attempts=1, at=NOON)
    return FoundLetter(topic="dead", partition=0, offset=100 + number, letter=letter, outcome=made)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


class Kafka:
    """A sender that remembers records with the time of its clock, or fails for the given values and topics."""

    def __init__(self, clock: Clock, faults: dict[bytes | str, Exception] | None = None, cost: float = 0.0) -> None:
        self.sent: list[tuple[float, str, int, RecordContent]] = []
        self._clock = clock
        self._faults = faults or {}
        self._cost = cost

    async def partition_of(self, letter: DeadLetter) -> int:
        return 3

    async def send(self, topic: str, partition: int, record: RecordContent) -> int:
        self._clock.now += self._cost
        for fault in (record.value, topic):
            if fault in self._faults:
                raise self._faults[fault]
        self.sent.append((self._clock.now, topic, partition, record))
        return len(self.sent) + 1_000


async def everything(results: AsyncIterator[LetterResult]) -> list[LetterResult]:
    return [done async for done in results]


def ready(letter: FoundLetter) -> str | None:
    return retry_obstacle(letter, max_attempts=5, targets=TARGETS)


async def retried(letters: Sequence[FoundLetter], kafka: Kafka, clock: Clock, rate: float = 10.0) -> list[LetterResult]:
    return await everything(retry(letters, kafka, ready, rate=rate, now=lambda: NOON, clock=clock, sleep=clock.sleep))


times = st.integers(0, 2_000).map(lambda minutes: NOON + timedelta(minutes=minutes))
letters = st.builds(
    found,
    st.integers(0, 5),
    failed_at=times,
    reason=st.sampled_from(["malformed", "invalid", "oversize"]),
    topic=st.sampled_from(["raw", "enriched"]),
    partition=st.integers(0, 2),
)
filters = st.builds(
    LetterFilter,
    reasons=st.frozensets(st.sampled_from(["malformed", "invalid"])),
    since=st.none() | times,
    until=st.none() | times,
    from_topic=st.none() | st.just("raw"),
    partition=st.none() | st.integers(0, 2),
    places=st.frozensets(st.sampled_from(["dead[0]@101", "raw[1]@2"])),
)


@given(letters)
def test_without_a_wish_every_letter_is_wanted(letter: FoundLetter) -> None:
    assert LetterFilter().matches(letter)


@given(letters, filters)
def test_all_that_is_wished_for_must_hold(letter: FoundLetter, wanted: LetterFilter) -> None:
    wishes = [
        LetterFilter(reasons=wanted.reasons),
        LetterFilter(since=wanted.since),
        LetterFilter(until=wanted.until),
        LetterFilter(from_topic=wanted.from_topic),
        LetterFilter(partition=wanted.partition),
        LetterFilter(places=wanted.places),
    ]
    assert wanted.matches(letter) == all(wish.matches(letter) for wish in wishes)


@given(letters, times)
def test_a_time_parts_the_letters_in_two(letter: FoundLetter, time: datetime) -> None:
    assert LetterFilter(since=time).matches(letter) != LetterFilter(until=time).matches(letter)


def test_a_place_is_that_of_the_letter_or_of_its_record() -> None:
    assert LetterFilter(places=frozenset([check_location("dead[0]@107")])).matches(found(7))
    assert LetterFilter(places=frozenset([check_location("raw[1]@7")])).matches(found(7))
    assert not LetterFilter(places=frozenset(["raw[1]@8"])).matches(found(7))


@pytest.mark.parametrize("text", ["", "dead", "dead[0]", "dead[0]@", "dead[-1]@1", "[0]@1", "dead[0]@1 ", "dead[0]@x"])
def test_an_invalid_place_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a place of the form topic\[partition\]@offset, such as"):
        check_location(text)


@pytest.mark.parametrize(
    ("letter", "why"),
    [
        (found(), None),
        (found(attempts=4), None),
        (found(attempts=5), "it failed 5 times, the limit is 5"),
        (found(cut=True), "its record was cut and is incomplete"),
        (
            found(topic="file:day.jsonl"),
            "it came from file:day.jsonl, which is not a topic that this run's workers read",
        ),
        (found(topic="gone"), "the topic gone no longer exists"),
        (found(outcome="retried"), "already retried"),
        (found(outcome="dropped"), "already dropped"),
    ],
)
def test_the_reason_why_a_letter_cannot_be_retried_is_given(letter: FoundLetter, why: str | None) -> None:
    assert ready(letter) == why


def test_a_dropped_letter_goes_back_when_it_is_named_and_a_retried_one_does_not() -> None:
    def named(letter: FoundLetter) -> str | None:
        return retry_obstacle(letter, max_attempts=5, targets=TARGETS, named=True)

    assert named(found(outcome="dropped")) is None
    assert named(found(outcome="retried")) == "already retried"


def test_a_plan_counts_what_goes_and_what_does_not() -> None:
    places = frozenset(["dead[0]@101", "raw[1]@2", "raw[1]@9", "dead[0]@104"])
    given_letters = [found(1), found(2, reason="invalid"), found(3), found(4, cut=True), found(5, topic="gone")]
    plan = make_plan(given_letters, ready, places)
    assert plan.letters == 3
    assert plan.by_reason == {"malformed": 2, "invalid": 1}
    assert plan.by_origin == {"raw": 3}
    assert plan.left_out == {"its record was cut and is incomplete": 1, "the topic gone no longer exists": 1}
    assert places - plan.places == {"raw[1]@9", "dead[0]@104"}


async def test_a_record_goes_back_as_it_was_with_its_attempts_and_then_its_outcome_is_noted() -> None:
    clock = Clock()
    kafka = Kafka(clock)
    headers = (("x", None), (ATTEMPTS_HEADER, b"1"), (REFUSED_HEADER, b"invalid: a time"), ("x", b"2"))
    letter = found(7, attempts=2, headers=headers, key=None, value=None)
    assert await retried([letter], kafka, clock) == [LetterResult(letter, "retried", "raw[3]@1001")]
    (_, topic, partition, record), (_, dead, place, note) = kafka.sent
    assert (topic, partition) == ("raw", 3)
    assert record == RecordContent(None, None, [("x", None), ("x", b"2"), (ATTEMPTS_HEADER, b"2")], 1_007)
    assert (dead, place) == ("dead", 0)
    assert decode_dead(note.value, note.headers) == DeadLetterOutcome(
        partition=0, offset=107, outcome="retried", attempts=2, at=NOON, sent_to="raw[3]@1001"
    )
    failed = Record("raw", 3, 9, 0, record.key, b"x", record.headers)
    assert dead_letter(failed, BadMessage("empty", "none"), NOON, 10_000).attempts == 3


@given(st.lists(st.floats(0, 0.5), max_size=8), st.floats(1, 100))
async def test_never_more_records_than_the_rate_even_after_a_slow_one(costs: list[float], rate: float) -> None:
    clock = Clock()
    kafka = Kafka(clock)

    def slow() -> Any:
        for number, cost in enumerate(costs):
            clock.now += cost
            yield found(number)

    async for done in retry(slow(), kafka, ready, rate=rate, now=lambda: NOON, clock=clock, sleep=clock.sleep):
        assert done.result == "retried"
    starts = [at for at, topic, _, _ in kafka.sent if topic == "raw"]
    assert len(starts) == len(costs)
    assert all(later - earlier >= 1 / rate - 1e-9 for earlier, later in pairwise(starts))
    assert not starts or starts[-1] <= sum(costs) + (len(starts) - 1) / rate + 1e-6


async def test_letters_of_one_record_send_it_once() -> None:
    clock = Clock()
    kafka = Kafka(clock)
    twice = [found(7), at_offset(200, found(7))]
    unplaced = [found(0, offset=-1), found(1, offset=-1)]
    done = await retried([*twice, *unplaced], kafka, clock)
    assert [each.result for each in done] == ["retried"] * 4
    assert done[0].detail == done[1].detail
    assert [topic for _, topic, _, _ in kafka.sent].count("raw") == 3
    assert [topic for _, topic, _, _ in kafka.sent].count("dead") == 4


def at_offset(offset: int, letter: FoundLetter) -> FoundLetter:
    return FoundLetter(topic=letter.topic, partition=letter.partition, offset=offset, letter=letter.letter)


async def test_a_record_that_kafka_refuses_stays_and_the_others_go() -> None:
    clock = Clock()
    kafka = Kafka(clock, {b"bad": Refused("too late")})
    good, bad = found(1), found(2, value=b"bad")
    done = await retried([good, bad, good], kafka, clock)
    assert [(each.result, each.detail) for each in done][1] == ("failed", "too late")
    assert [each.result for each in done] == ["retried", "failed", "retried"]


@pytest.mark.parametrize(("away", "left"), [("raw", []), ("dead", ["raw"])])
async def test_it_ends_when_kafka_is_away_and_says_what_may_go_twice(away: str, left: list[str]) -> None:
    clock = Clock()
    kafka = Kafka(clock, {away: Unavailable("no answer")})
    (done,) = await retried([found(1), found(2)], kafka, clock)
    assert done.result == "failed"
    assert done.detail.endswith("no answer")
    assert ("may be sent twice" in done.detail) == bool(left)
    assert [topic for _, topic, _, _ in kafka.sent] == left


async def test_letters_are_dropped_each_with_its_outcome() -> None:
    clock = Clock()
    kafka = Kafka(clock)
    given_letters = [found(number) for number in range(1_200)] + [found(5, outcome="dropped")]
    done = await everything(drop(given_letters, kafka, drop_obstacle, now=lambda: NOON))
    assert [each.result for each in done] == ["dropped"] * 1_200 + ["left out"]
    notes = [decode_dead(record.value) for _, _, _, record in kafka.sent]
    assert [note.offset for note in notes] == [100 + number for number in range(1_200)]
    assert {msgspec.to_builtins(note)["outcome"] for note in notes} == {"dropped"}


async def test_dropping_ends_when_kafka_is_away() -> None:
    clock = Clock()
    kafka = Kafka(clock, {"dead": Unavailable("no answer")})
    done = await everything(drop([found(n) for n in range(1_200)], kafka, drop_obstacle, now=lambda: NOON))
    assert {each.result for each in done} == {"failed"}
    assert len(done) == 500


def test_a_letter_says_whether_it_was_cut() -> None:
    def made(size: int, key: bytes = b"k") -> DeadLetter:
        record = Record("raw", 0, 0, 0, key, b"x" * size, ())
        return dead_letter(record, BadMessage("oversize", "large"), NOON + timedelta(seconds=1), 20_000)

    assert not made(100).cut
    assert made(20_000).cut
    assert made(100, b"k" * 5_000).cut
