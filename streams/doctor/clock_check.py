"""Checks of this machine's clock; it matters because the time of a post decides which minute it belongs to."""

from __future__ import annotations

import ctypes
import struct
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kafka import KafkaConsumer

from streams.contracts import utc_now
from streams.kafka.reader import end_offsets, open_reader, partitions_of
from streams.settings import Settings

_TIMEX_LONGS = 64  # larger than struct timex
_TIMEX_STATUS_OFFSET = 40  # offset of the field `status` if a long has 8 bytes
_STA_UNSYNC = 0x40
_POLL_MS = 500
_POLLS = 4


def is_synchronised() -> bool | None:
    """Return whether the kernel reports the clock as synchronised (NTP), or None if it cannot be asked."""
    if sys.platform != "linux" or struct.calcsize("l") != 8:
        return None
    timex = (ctypes.c_long * _TIMEX_LONGS)()  # all zeros: a query that changes nothing
    if ctypes.CDLL(None, use_errno=True).adjtimex(timex) < 0:
        return None
    status: int = struct.unpack_from("i", timex, _TIMEX_STATUS_OFFSET)[0]
    return not status & _STA_UNSYNC


def behind_installation(clock: Callable[[], datetime] = utc_now) -> timedelta:
    """Return how far the clock is behind the installation time of this package; zero or negative if it is not."""
    return datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC) - clock()


def behind_records(settings: Settings, clock: Callable[[], datetime] = utc_now) -> timedelta | None:
    """Return how far the clock is behind the newest of the last records of `posts.raw`, or None if there are none.

    The time of a record is never later than its collection, so a record ahead of this clock means that the clocks of
    this machine and of the collecting machine differ. A clock that is ahead cannot be detected: old posts are normal.

    Raises:
        Unavailable: If Kafka cannot be reached.
    """
    with open_reader(settings.kafka) as consumer:
        newest = max(_last_times(consumer, settings.topics.raw), default=None)
    return None if newest is None else datetime.fromtimestamp(newest / 1000, UTC) - clock()


def _last_times(consumer: KafkaConsumer, topic: str) -> Iterator[int]:
    ends = {at: end for at, end in end_offsets(consumer, partitions_of(consumer, topic)).items() if end}
    for at, end in ends.items():
        consumer.seek(at, end - 1)
    for _ in range(_POLLS):
        for records in consumer.poll(timeout_ms=_POLL_MS).values():
            yield from (record.timestamp for record in records)
        if all(consumer.position(at) >= end for at, end in ends.items()):
            return
