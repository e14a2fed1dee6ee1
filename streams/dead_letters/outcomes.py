"""Retry dead letters, that is, send their records back to where they came from, or drop them.

A letter stays on the topic, because Kafka cannot remove single records. Its outcome is a separate message, which
follows it in the same partition. The outcome is written only after the resent record is confirmed, so a crash in
between can send a record twice but never loses it; workers and sinks handle duplicates.
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
    REFUSED_HEADER,
    DeadLetter,
    DeadLetterOutcome,
    encode,
    record_location,
    utc_now,
)
from streams.dead_letters.reader import FoundLetter
from streams.errors import Refused, TagpulseError, Unavailable
from streams.kafka import connection
from streams.settings import Settings

_DROP_BATCH_SIZE = 500
_CLOSE_SECONDS = 2.0
_REQUESTS = 3  # enough to find a new leader; aiokafka itself would retry indefinitely
Partitions = Mapping[str, frozenset[int]]
SkipReason = Callable[[FoundLetter], str | None]
"""Returns the reason for leaving a letter out, or None."""


@dataclass
class DeadLetterPlan:
    """The numbers of letters that a command would handle and leave out."""

    by_reason: Counter[str] = field(default_factory=Counter)
    by_origin: Counter[str] = field(default_factory=Counter)
    """Counts by the topic of the record that failed."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Counts by the reason for leaving a letter out."""
    places: set[str] = field(default_factory=set)
    """The given places that are the location, or the origin, of a letter in the plan."""

    @property
    def letters(self) -> int:
        return self.by_reason.total()


class LetterResult(NamedTuple):
    """The result for one letter."""

    found: FoundLetter
    result: Literal["retried", "dropped", "failed", "left out"]
    detail: str
    """The new location of a retried record, or the reason for `failed` or `left out`."""


class Sender(Protocol):
    """Sends records and returns their offsets."""

    def partition_of(self, letter: DeadLetter) -> Awaitable[int]: ...

    def send(self, topic: str, partition: int, record: RecordContent) -> Awaitable[int]: ...


class RecordContent(NamedTuple):
    """A record without its location."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    timestamp_ms: int


def make_plan(
    letters: Iterable[FoundLetter], why_not: SkipReason, places: frozenset[str] = frozenset()
) -> DeadLetterPlan:
    """Count the letters that would be handled and left out."""
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


def retry_obstacle(found: FoundLetter, *, max_attempts: int, targets: Partitions, named: bool = False) -> str | None:
    """Return why a letter cannot be retried, or None if it can.

    Args:
        found: The letter.
        max_attempts: The number of failures after which a record is no longer sent back.
        targets: The topics to which records may be sent back, with their partitions.
        named: Whether the user gave the place of the letter, so that it is retried even after it was dropped.
    """
    letter, outcome = found.letter, found.outcome
    if outcome is not None and not (named and outcome.outcome == "dropped"):
        return f"already {outcome.outcome}"
    if letter.cut:
        return "its record was cut and is incomplete"
    if letter.topic not in targets:
        return f"it came from {letter.topic}, which is not a topic that this run's workers read"
    if not targets[letter.topic]:
        return f"the topic {letter.topic} no longer exists"
    if letter.attempts >= max_attempts:
        return f"it failed {letter.attempts} times, the limit is {max_attempts}"
    return None


def drop_obstacle(found: FoundLetter) -> str | None:
    """Return why a letter cannot be dropped, or None if it can."""
    return None if found.outcome is None else f"already {found.outcome.outcome}"


async def retry(
    letters: Iterable[FoundLetter],
    sender: Sender,
    why_not: SkipReason,
    *,
    rate: float,
    now: Callable[[], datetime] = utc_now,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncGenerator[LetterResult, None]:
    """Send records back one at a time, at most `rate` per second, and yield the result for each letter.

    A record with several letters is sent once. If Kafka is unavailable, stop after yielding the failure.
    """
    sent: dict[str, str] = {}
    due = clock()
    for found in letters:
        why, letter = why_not(found), found.letter
        if why is not None:
            yield LetterResult(found, "left out", why)
            continue
        # a record that a source could not send has no offset, so that its origin does not identify it
        known = letter.offset >= 0
        sent_to = sent.get(letter.origin) if known else None
        try:
            if sent_to is None:
                if (wait := due - clock()) > 0:
                    await sleep(wait)
                due = max(due, clock()) + 1 / rate
                partition = await sender.partition_of(letter)
                offset = await sender.send(letter.topic, partition, _original_record(letter))
                sent_to = record_location(letter.topic, partition, offset)
                if known:
                    sent[letter.origin] = sent_to
        except TagpulseError as error:
            yield LetterResult(found, "failed", str(error))
            if isinstance(error, Unavailable):
                return
            continue
        try:
            await _record_outcome(sender, found, "retried", now(), sent_to)
        except TagpulseError as error:
            detail = f"sent as {sent_to}, but this could not be recorded, so it may be sent twice: {error}"
            yield LetterResult(found, "failed", detail)
            if isinstance(error, Unavailable):
                return
        else:
            yield LetterResult(found, "retried", sent_to)


async def drop(
    letters: Iterable[FoundLetter], sender: Sender, why_not: SkipReason, *, now: Callable[[], datetime] = utc_now
) -> AsyncGenerator[LetterResult, None]:
    """Mark letters as dropped, and yield the result for each; stop after failures if Kafka is unavailable."""
    remaining = iter(letters)
    while batch := list(islice(remaining, _DROP_BATCH_SIZE)):
        results = await asyncio.gather(*(_drop(found, sender, why_not, now()) for found in batch))
        is_unavailable = False
        for found, result in zip(batch, results, strict=True):
            if isinstance(result, str):
                yield LetterResult(found, "left out", result)
            elif result is not None:
                is_unavailable = is_unavailable or isinstance(result, Unavailable)
                yield LetterResult(found, "failed", str(result))
            else:
                yield LetterResult(found, "dropped", "")
        if is_unavailable:
            return


async def _drop(found: FoundLetter, sender: Sender, why_not: SkipReason, at: datetime) -> TagpulseError | str | None:
    why = why_not(found)
    if why is None:
        try:
            await _record_outcome(sender, found, "dropped", at)
        except TagpulseError as error:
            return error
    return why


async def _record_outcome(
    sender: Sender, found: FoundLetter, outcome: str, at: datetime, sent_to: str | None = None
) -> None:
    letter = found.letter
    message = DeadLetterOutcome(
        partition=found.partition,
        offset=found.offset,
        outcome=outcome,
        attempts=letter.attempts,
        at=at,
        sent_to=sent_to,
    )
    record = RecordContent(letter.key, encode(message), HEADERS, int(at.timestamp() * 1000))
    await sender.send(found.topic, found.partition, record)


def _original_record(letter: DeadLetter) -> RecordContent:
    kept = [(name, value) for name, value in letter.headers if name not in (ATTEMPTS_HEADER, REFUSED_HEADER)]
    attempts = (ATTEMPTS_HEADER, str(letter.attempts).encode())
    return RecordContent(letter.key, letter.value, [*kept, attempts], letter.timestamp_ms)


class KafkaSender:
    """A `Sender` to Kafka: `async with KafkaSender(settings, partitions) as sender:`.

    Keys and values of records, and values of headers, may be null. Raises Refused if Kafka rejects a record, and
    Unavailable.
    """

    def __init__(self, settings: Settings, partitions: Partitions) -> None:
        """`partitions` maps the topics to which records may be sent back to their partitions."""
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
            # Kafka accepted the record of a letter before, so leave it to the broker's limit to reject it
            max_batch_size=2 * max(self._settings.topics.limits.values()),
            max_request_size=2 * max(self._settings.topics.limits.values()),
        )
        try:
            await self._producer.start()
        except (kafka_errors.KafkaError, OSError) as error:
            await self._close()
            raise Unavailable(f"{kafka.bootstrap_servers}: {error!r}: run `tagpulse doctor` to find out why") from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def _close(self) -> None:
        stopping = asyncio.create_task(self._producer.stop())
        await asyncio.wait([stopping], timeout=_CLOSE_SECONDS)
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)

    async def partition_of(self, letter: DeadLetter) -> int:
        """Return the partition for the record's key; without a key, its old partition if that still exists."""
        choices = sorted(self._partitions[letter.topic])
        if letter.key is None and letter.partition in choices:
            return letter.partition
        partition: int = self._partition_of(letter.key, choices, choices)
        return partition

    async def send(self, topic: str, partition: int, record: RecordContent) -> int:
        """Send a record and return its offset. Raises Refused and Unavailable."""
        try:
            async with asyncio.timeout(_REQUESTS * self._settings.kafka.request_timeout_seconds):
                confirmed = await (await self._enqueue(topic, partition, record))
        except (kafka_errors.KafkaError, OSError) as error:
            if isinstance(error, kafka_errors.KafkaTimeoutError | OSError) or error.retriable:
                raise Unavailable(f"Kafka did not confirm the record but may have stored it: {error!r}") from error
            raise Refused(f"Kafka refused the record: {error!r}") from error
        offset: int = confirmed.offset
        return offset

    async def _enqueue(self, topic: str, partition: int, record: RecordContent) -> Awaitable[Any]:
        fields = {"key": record.key, "value": record.value, "headers": list(record.headers)}
        if record.key is None and record.value is None:  # `send` rejects such a record
            batch = self._producer.create_batch()
            batch.append(timestamp=record.timestamp_ms, **fields)
            future: Awaitable[Any] = await self._producer.send_batch(batch, topic, partition=partition)
        else:
            future = await self._producer.send(topic, partition=partition, timestamp_ms=record.timestamp_ms, **fields)
        return future
