"""What is done about dead letters: sent back to where they came from, or dropped. Both are noted behind the letter.

A letter stays on the topic, since Kafka removes no single record; its outcome is a message of its own. It is written
once the record is confirmed, so that a crash in between sends a record twice rather than never: workers and sinks are
made for that.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Literal, NamedTuple, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka_errors
from aiokafka.partitioner import DefaultPartitioner

from streams.contracts import (
    ATTEMPTS_HEADER,
    HEADERS,
    DeadLetter,
    DeadLetterOutcome,
    encode,
    record_location,
    utc_now,
)
from streams.dead_letters.reader import Found
from streams.errors import Refused, TagpulseError, Unavailable
from streams.kafka import connection
from streams.settings import Settings

_DROPPED_TOGETHER = 500
_CLOSE_SECONDS = 2.0
_REQUESTS = 3  # a new leader is found within them; aiokafka by itself would try for ever
Partitions = Mapping[str, frozenset[int]]
Why = Callable[[Found], str | None]
"""Why a letter is left out; None: it is not."""


@dataclass
class DeadLetterPlan:
    """What a command would do."""

    by_reason: Counter[str] = field(default_factory=Counter)
    by_origin: Counter[str] = field(default_factory=Counter)
    """By the topic of the records that failed."""
    left_out: Counter[str] = field(default_factory=Counter)
    """By the words why."""
    places: set[str] = field(default_factory=set)
    """Of the places that were named, those with a letter in the plan, or its origin."""

    @property
    def letters(self) -> int:
        return self.by_reason.total()


class Done(NamedTuple):
    """What happened to a letter."""

    found: Found
    result: Literal["retried", "dropped", "failed", "left out"]
    detail: str
    """Where the record stands now, or why not."""


class Sender(Protocol):
    """Hands over a record; what it returns answers the offset, or raises."""

    def partition_of(self, letter: DeadLetter) -> Awaitable[int]: ...

    def send(self, topic: str, partition: int, record: Bare) -> Awaitable[int]: ...


class Bare(NamedTuple):
    """A record without its place."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    timestamp_ms: int


def make_plan(letters: Iterable[Found], why_not: Why, places: frozenset[str] = frozenset()) -> DeadLetterPlan:
    """Counts what would go and what not."""
    plan = DeadLetterPlan()
    for found in letters:
        why = why_not(found)
        if why is not None:
            plan.left_out[why] += 1
            continue
        plan.by_reason[found.letter.reason] += 1
        plan.by_origin[found.letter.topic] += 1
        if places:
            plan.places |= places & {found.place, found.letter.origin}
    return plan


def not_retried(found: Found, *, max_attempts: int, targets: Partitions, named: bool = False) -> str | None:
    """Why a letter cannot be sent back. `targets` are the topics it may go to; `named`: somebody gave its place."""
    letter, outcome = found.letter, found.outcome
    if outcome is not None and not (named and outcome.outcome == "dropped"):
        return f"{outcome.outcome} already"
    if letter.cut:
        return "its bytes were cut: they are not all here"
    if letter.topic not in targets:
        return f"it came from {letter.topic}, which is no topic that this run's workers read"
    if not targets[letter.topic]:
        return f"the topic {letter.topic} is gone"
    if letter.attempts >= max_attempts:
        return f"it failed {letter.attempts} times, the limit is {max_attempts}"
    return None


def not_dropped(found: Found) -> str | None:
    """Why a letter cannot be dropped."""
    return None if found.outcome is None else f"{found.outcome.outcome} already"


async def retry(
    letters: Iterable[Found],
    sender: Sender,
    why_not: Why,
    *,
    rate: float,
    now: Callable[[], datetime] = utc_now,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncGenerator[Done, None]:
    """Sends records back, one after the other, `rate` a second at most; says of each what happened.

    A record that failed in several letters goes once. Ends early, with the failure as its last word, when Kafka is away.
    """
    sent: dict[str, str] = {}
    due = clock()
    for found in letters:
        why, letter = why_not(found), found.letter
        if why is not None:
            yield Done(found, "left out", why)
            continue
        known = letter.offset >= 0  # what the source could not write has no place that tells it from others
        went = sent.get(letter.origin) if known else None
        try:
            if went is None:
                if (wait := due - clock()) > 0:
                    await sleep(wait)
                due = max(due, clock()) + 1 / rate
                partition = await sender.partition_of(letter)
                offset = await sender.send(letter.topic, partition, _as_it_was(letter))
                went = record_location(letter.topic, partition, offset)
                if known:
                    sent[letter.origin] = went
        except TagpulseError as error:
            yield Done(found, "failed", str(error))
            if isinstance(error, Unavailable):
                return
            continue
        try:
            await _note(sender, found, "retried", now(), went)
        except TagpulseError as error:
            yield Done(found, "failed", f"sent as {went}, which could not be noted, so that it may go twice: {error}")
            if isinstance(error, Unavailable):
                return
        else:
            yield Done(found, "retried", went)


async def drop(
    letters: Iterable[Found], sender: Sender, why_not: Why, *, now: Callable[[], datetime] = utc_now
) -> AsyncGenerator[Done, None]:
    """Notes of each letter that it is dropped. Ends early, with the failures as its last words, when Kafka is away."""
    walking = iter(letters)
    while chosen := list(islice(walking, _DROPPED_TOGETHER)):
        results = await asyncio.gather(*(_drop(found, sender, why_not, now()) for found in chosen))
        away = False
        for found, result in zip(chosen, results, strict=True):
            if isinstance(result, str):
                yield Done(found, "left out", result)
            elif result is not None:
                away = away or isinstance(result, Unavailable)
                yield Done(found, "failed", str(result))
            else:
                yield Done(found, "dropped", "")
        if away:
            return


async def _drop(found: Found, sender: Sender, why_not: Why, at: datetime) -> TagpulseError | str | None:
    why = why_not(found)
    if why is None:
        try:
            await _note(sender, found, "dropped", at)
        except TagpulseError as error:
            return error
    return why


async def _note(sender: Sender, found: Found, outcome: str, at: datetime, sent_to: str | None = None) -> None:
    letter = found.letter
    message = DeadLetterOutcome(
        partition=found.partition,
        offset=found.offset,
        outcome=outcome,
        attempts=letter.attempts,
        at=at,
        sent_to=sent_to,
    )
    record = Bare(letter.key, encode(message), HEADERS, int(at.timestamp() * 1000))
    await sender.send(found.topic, found.partition, record)


def _as_it_was(letter: DeadLetter) -> Bare:
    kept = [(name, value) for name, value in letter.headers if name != ATTEMPTS_HEADER]
    attempts = (ATTEMPTS_HEADER, str(letter.attempts).encode())
    return Bare(letter.key, letter.value, [*kept, attempts], letter.timestamp_ms)


class KafkaSender:
    """A `Sender` to Kafka: `async with KafkaSender(settings) as sender:`. Keys, values and headers may be missing.

    Its errors are Refused, when Kafka says no to a record, and Unavailable.
    """

    def __init__(self, settings: Settings, partitions: Partitions) -> None:
        """`partitions` are those of the topics that letters go back to."""
        self._settings = settings
        self._partitions = partitions
        self._partition_of = DefaultPartitioner()
        self._producer: Any = None

    async def __aenter__(self) -> KafkaSender:
        kafka = self._settings.kafka
        self._producer = AIOKafkaProducer(
            **connection.aiokafka(kafka),
            acks="all",
            compression_type=None if kafka.compression == "none" else kafka.compression,
            request_timeout_ms=int(kafka.request_timeout_seconds * 1000),
            # a letter's record was taken once already: the broker's limit is the one that counts
            max_batch_size=2 * max(self._settings.topics.limits.values()),
            max_request_size=2 * max(self._settings.topics.limits.values()),
        )
        try:
            await self._producer.start()
        except (kafka_errors.KafkaError, OSError) as error:
            await self._close()
            raise Unavailable(f"{kafka.bootstrap_servers}: {error!r}: `tagpulse doctor` says why") from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def _close(self) -> None:
        stopping = asyncio.create_task(self._producer.stop())
        await asyncio.wait([stopping], timeout=_CLOSE_SECONDS)
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)

    async def partition_of(self, letter: DeadLetter) -> int:
        """That of the key; a record without one goes where it was."""
        choices = sorted(self._partitions[letter.topic])
        if letter.key is None and letter.partition in choices:
            return letter.partition
        partition: int = self._partition_of(letter.key, choices, choices)
        return partition

    async def send(self, topic: str, partition: int, record: Bare) -> int:
        """The offset at which Kafka has the record."""
        try:
            async with asyncio.timeout(_REQUESTS * self._settings.kafka.request_timeout_seconds):
                confirmed = await (await self._hand_over(topic, partition, record))
        except (kafka_errors.KafkaError, OSError) as error:
            if isinstance(error, kafka_errors.KafkaTimeoutError | OSError) or error.retriable:
                raise Unavailable(f"Kafka does not confirm it, and may have it all the same: {error!r}") from error
            raise Refused(f"Kafka refuses it: {error!r}") from error
        offset: int = confirmed.offset
        return offset

    async def _hand_over(self, topic: str, partition: int, record: Bare) -> Awaitable[Any]:
        fields = {"key": record.key, "value": record.value, "headers": list(record.headers)}
        if record.key is None and record.value is None:  # which `send` refuses
            batch = self._producer.create_batch()
            batch.append(timestamp=record.timestamp_ms, **fields)
            future: Awaitable[Any] = await self._producer.send_batch(batch, topic, partition=partition)
        else:
            future = await self._producer.send(topic, partition=partition, timestamp_ms=record.timestamp_ms, **fields)
        return future
