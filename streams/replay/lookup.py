"""Where in a topic a time begins, checked: some brokers answer the question wrongly."""

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
    """The offset in each partition before which every record is older than `since_ms`.

    Kafka answers with the first record that is as late. The answer is believed when that record is as late indeed and the
    one before it is not; else everything is read, from the partition's start (the embedded broker answers 0 to whatever
    it is asked). The consumer is left assigned to the partitions. Raises Unavailable.
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
                "%s[%d]: the broker's look-up by time is wrong; the partition is read from its start",
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
    """The time of the first record from `offset` on; None when there is none before `end`."""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    consumer.assign([at])
    consumer.seek(at, offset)
    while consumer.position(at) < end:
        if time.monotonic() > deadline:
            raise Unavailable(f"{record_location(at.topic, at.partition, offset)} cannot be read in time")
        for record in consumer.poll(timeout_ms=_POLL_MS, max_records=1).get(at, ()):
            return int(record.timestamp) if record.offset < end else None
    return None
