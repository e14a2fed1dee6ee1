"""Which letters can be retried, how fast, and what is reported for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
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
from streams.dead_letters.reader import FoundLetter
from streams.errors import BadMessage, Refused, Unavailable
from streams.runtime.lossless import Record
from tests.helpers.letters import FAILED_AT, found_letter

TARGETS = {"raw": frozenset(range(4)), "gone": frozenset[int]()}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


class Kafka:
    """A sender that keeps each record with the time of its clock, or fails for the given values and topics."""

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
    return await everything(
        retry(letters, kafka, ready, rate=rate, now=lambda: FAILED_AT, clock=clock, sleep=clock.sleep)
    )


@pytest.mark.parametrize(
    ("letter", "why"),
    [
        (found_letter(), None),
        (found_letter(attempts=4), None),
        (found_letter(attempts=5), "it failed 5 times, the limit is 5"),
        (found_letter(cut=True), "its record was cut and is incomplete"),
        (
            found_letter(topic="file:day.jsonl"),
            "it came from file:day.jsonl, which is not a topic that this run's workers read",
        ),
        (found_letter(topic="gone"), "the topic gone no longer exists"),
        (found_letter(outcome="retried"), "already retried"),
        (found_letter(outcome="dropped"), "already dropped"),
    ],
)
def test_the_reason_why_a_letter_cannot_be_retried_is_given(letter: FoundLetter, why: str | None) -> None:
    assert ready(letter) == why


def test_a_dropped_letter_goes_back_when_it_is_named_and_a_retried_one_does_not() -> None:
    def named(letter: FoundLetter) -> str | None:
        return retry_obstacle(letter, max_attempts=5, targets=TARGETS, named=True)

    assert named(found_letter(outcome="dropped")) is None
    assert named(found_letter(outcome="retried")) == "already retried"


def test_a_plan_counts_what_is_sent_and_what_is_left_out() -> None:
    places = frozenset(["dead[0]@101", "raw[1]@2", "raw[1]@9", "dead[0]@104"])
    given_letters = [
        found_letter(1),
        found_letter(2, reason="invalid"),
        found_letter(3),
        found_letter(4, cut=True),
        found_letter(5, topic="gone"),
    ]
    plan = make_plan(given_letters, ready, places)
    assert plan.letters == 3
    assert plan.by_reason == {"malformed": 2, "invalid": 1}
    assert plan.by_origin == {"raw": 3}
    assert plan.left_out == {"its record was cut and is incomplete": 1, "the topic gone no longer exists": 1}
    assert places - plan.places == {"raw[1]@9", "dead[0]@104"}


async def test_a_record_goes_back_unchanged_with_its_attempts_and_then_its_outcome_is_noted() -> None:
    clock = Clock()
    kafka = Kafka(clock)
    headers = (("x", None), (ATTEMPTS_HEADER, b"1"), (REFUSED_HEADER, b"invalid: a time"), ("x", b"2"))
    letter = found_letter(7, attempts=2, headers=headers, key=None, value=None)
    assert await retried([letter], kafka, clock) == [LetterResult(letter, "retried", "raw[3]@1001")]
    (_, topic, partition, record), (_, dead, place, note) = kafka.sent
    assert (topic, partition) == ("raw", 3)
    assert record == RecordContent(None, None, [("x", None), ("x", b"2"), (ATTEMPTS_HEADER, b"2")], 1_007)
    assert (dead, place) == ("dead", 0)
    assert decode_dead(note.value, note.headers) == DeadLetterOutcome(
        partition=0, offset=107, outcome="retried", attempts=2, at=FAILED_AT, sent_to="raw[3]@1001"
    )
    failed = Record("raw", 3, 9, 0, record.key, b"x", record.headers)
    assert dead_letter(failed, BadMessage("empty", "none"), FAILED_AT, 10_000).attempts == 3


@given(st.lists(st.floats(0, 0.5), max_size=8), st.floats(1, 100))
async def test_the_rate_is_never_exceeded_even_after_a_slow_record(costs: list[float], rate: float) -> None:
    clock = Clock()
    kafka = Kafka(clock)

    def slow() -> Any:
        for number, cost in enumerate(costs):
            clock.now += cost
            yield found_letter(number)

    async for done in retry(slow(), kafka, ready, rate=rate, now=lambda: FAILED_AT, clock=clock, sleep=clock.sleep):
        assert done.result == "retried"
    starts = [at for at, topic, _, _ in kafka.sent if topic == "raw"]
    assert len(starts) == len(costs)
    assert all(later - earlier >= 1 / rate - 1e-9 for earlier, later in pairwise(starts))
    assert not starts or starts[-1] <= sum(costs) + (len(starts) - 1) / rate + 1e-6


async def test_letters_of_one_record_send_it_once() -> None:
    clock = Clock()
    kafka = Kafka(clock)
    twice = [found_letter(7), at_offset(200, found_letter(7))]
    unplaced = [found_letter(0, offset=-1), found_letter(1, offset=-1)]
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
    good, bad = found_letter(1), found_letter(2, value=b"bad")
    done = await retried([good, bad, good], kafka, clock)
    assert [(each.result, each.detail) for each in done][1] == ("failed", "too late")
    assert [each.result for each in done] == ["retried", "failed", "retried"]


@pytest.mark.parametrize(("away", "left"), [("raw", []), ("dead", ["raw"])])
async def test_it_ends_when_kafka_is_away_and_says_what_may_be_sent_twice(away: str, left: list[str]) -> None:
    clock = Clock()
    kafka = Kafka(clock, {away: Unavailable("no answer")})
    (done,) = await retried([found_letter(1), found_letter(2)], kafka, clock)
    assert done.result == "failed"
    assert done.detail.endswith("no answer")
    assert ("may be sent twice" in done.detail) == bool(left)
    assert [topic for _, topic, _, _ in kafka.sent] == left


async def test_letters_are_dropped_each_with_its_outcome() -> None:
    clock = Clock()
    kafka = Kafka(clock)
    given_letters = [found_letter(number) for number in range(1_200)] + [found_letter(5, outcome="dropped")]
    done = await everything(drop(given_letters, kafka, drop_obstacle, now=lambda: FAILED_AT))
    assert [each.result for each in done] == ["dropped"] * 1_200 + ["left out"]
    notes = [decode_dead(record.value) for _, _, _, record in kafka.sent]
    assert [note.offset for note in notes] == [100 + number for number in range(1_200)]
    assert {msgspec.to_builtins(note)["outcome"] for note in notes} == {"dropped"}


async def test_dropping_ends_when_kafka_is_away() -> None:
    clock = Clock()
    kafka = Kafka(clock, {"dead": Unavailable("no answer")})
    done = await everything(drop([found_letter(n) for n in range(1_200)], kafka, drop_obstacle, now=lambda: FAILED_AT))
    assert {each.result for each in done} == {"failed"}
    assert len(done) == 500
