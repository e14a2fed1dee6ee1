"""Whether the clock of this machine can be believed: times decide to which minute a post belongs."""

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

_TIMEX_LONGS = 64  # more than struct timex has
_TIMEX_STATUS_OFFSET = 40  # of its field `status` where a long has 8 bytes
_STA_UNSYNC = 0x40
_POLL_MS = 500
_POLLS = 4


def is_synchronised() -> bool | None:
    """What the kernel says: whether a time service (NTP) keeps the clock. None where it cannot be asked."""
    if sys.platform != "linux" or struct.calcsize("l") != 8:
        return None
    timex = (ctypes.c_long * _TIMEX_LONGS)()  # all zero: asks and changes nothing
    if ctypes.CDLL(None, use_errno=True).adjtimex(timex) < 0:
        return None
    status: int = struct.unpack_from("i", timex, _TIMEX_STATUS_OFFSET)[0]
    return not status & _STA_UNSYNC


def behind_installation(clock: Callable[[], datetime] = utc_now) -> timedelta:
    """How far the clock is behind the time at which this package was written to disk; zero or less when it is not."""
    return datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC) - clock()


def behind_records(settings: Settings, clock: Callable[[], datetime] = utc_now) -> timedelta | None:
    """How far the clock is behind the newest record among the last ones of `posts.raw`; None without any record.
    Raises Unavailable.

    A record's time is never later than its collection, so that one ahead of us says that the clocks of this machine and
    of the one that collected it differ. The other direction cannot be told: old posts are no fault.
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
