"""Looks up offsets by time, and checks them because some brokers answer incorrectly."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from kafka import KafkaConsumer, TopicPartition

from streams.contracts import record_location
from streams.errors import Unavailable

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 10.0
_POLL_MS = 100


def start_offsets(
    consumer: KafkaConsumer, starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int], since_ms: int
) -> dict[TopicPartition, int]:
    """Return an offset in each partition before which every record is older than `since_ms`.

    Kafka answers with the first record at or after that time. The answer is accepted if that record is indeed late
    enough and the one before it is not. Otherwise the partition is read from its start; the embedded broker, for one,
    always answers 0.

    Args:
        consumer: A consumer, which is left with a different assignment.
        starts: The first offset of each partition.
        ends: The end offset of each partition.
        since_ms: The time, in milliseconds since 1970.

    Raises:
        Unavailable: Kafka does not answer.
    """
    answers = consumer.offsets_for_times(dict.fromkeys(starts, since_ms))
    found = {}
    for at, start in starts.items():
        answer = answers.get(at)
        offset = ends[at] if answer is None else min(answer.offset, ends[at])
        if offset <= start:
            found[at] = start
        elif _agrees(consumer, at, offset, ends[at], since_ms):
            found[at] = offset
        else:
            logger.warning(
                "%s[%d]: the broker looked up a wrong offset by time; the partition is read from its start",
                at.topic,
                at.partition,
            )
            found[at] = start
    return found


def _agrees(consumer: KafkaConsumer, at: TopicPartition, offset: int, end: int, since_ms: int) -> bool:
    before = _timestamp(consumer, at, offset - 1, end)
    late = None if offset >= end else _timestamp(consumer, at, offset, end)
    return (before is None or before < since_ms) and (late is None or late >= since_ms)


def _timestamp(consumer: KafkaConsumer, at: TopicPartition, offset: int, end: int) -> int | None:
    """Return the time of the first record from `offset` on, or None if there is none before `end`."""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    consumer.assign([at])
    consumer.seek(at, offset)
    while consumer.position(at) < end:
        if time.monotonic() > deadline:
            raise Unavailable(
                f"{record_location(at.topic, at.partition, offset)} could not be read within {_TIMEOUT_SECONDS:.0f} s"
            )
        for record in consumer.poll(timeout_ms=_POLL_MS, max_records=1).get(at, ()):
            return int(record.timestamp) if record.offset < end else None
    return None
