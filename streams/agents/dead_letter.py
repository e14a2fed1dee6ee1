"""What becomes of records that a worker cannot handle: they go on, with their bytes, unless nearly all of them would."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime

from streams.contracts import ATTEMPTS_HEADER, DeadLetter, encode, fit_dead_letter
from streams.errors import BadMessage, DeadLetterLimit
from streams.kafka.publisher import Outgoing
from streams.runtime.lossless import Record
from streams.settings import WorkerSettings

_ERROR_CHARACTERS = 500
_LARGE_HEADERS_BYTES = 4_096
_ATTEMPTS_DIGITS = 9


def dead_letter(record: Record, error: BadMessage, failed_at: datetime, limit: int) -> DeadLetter:
    """The record untouched, and why it could not be handled; only what `limit` bytes cannot hold is cut, and it says so."""
    value, cut = (None, "") if record.value is None else fit_dead_letter(record.value, limit)
    key, headers = record.key, tuple(record.headers)
    if len(key or b"") + sum(len(name) + len(content or b"") for name, content in headers) > _LARGE_HEADERS_BYTES:
        key, headers, cut = None, (), f"{cut}; key and headers are too large and left out"
    return DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp_ms,
        key=key,
        value=value,
        headers=headers,
        reason=error.reason,
        error=error.detail[:_ERROR_CHARACTERS] + cut,
        attempts=_attempts(record) + 1,
        failed_at=failed_at,
        cut=bool(cut),
    )


def _attempts(record: Record) -> int:
    """How often the record failed before; what is no such number counts as never."""
    values = (value for name, value in record.headers if name == ATTEMPTS_HEADER and value)
    return next((int(value) for value in values if value.isdigit() and len(value) <= _ATTEMPTS_DIGITS), 0)


def outgoing(letter: DeadLetter, topic: str) -> Outgoing:
    """The letter as a record: the original key keeps the letters of a post together, its time is that of the failure."""
    return Outgoing(topic, letter.key, encode(letter), int(letter.failed_at.timestamp() * 1000))


class Limit:
    """Stops the worker when most of a window of records failed.

    A bad deploy (a broken model, a reader older than its input) would otherwise empty the whole topic into the dead
    letters; so the worker ends instead, before it acknowledges the batch that went over the limit.
    """

    def __init__(self, worker: str, settings: WorkerSettings) -> None:
        self._worker = worker
        self._allowed = settings.dead_window * settings.dead_share
        self._share = settings.dead_share
        self._recent: deque[bool] = deque(maxlen=settings.dead_window)
        self._failed = 0

    def check(self, results: Sequence[object]) -> None:
        """Counts the results of a batch, dead letters among them. Raises DeadLetterLimit."""
        letters = [result for result in results if isinstance(result, DeadLetter)]
        for result in results:
            if len(self._recent) == self._recent.maxlen:
                self._failed -= self._recent[0]
            self._recent.append(isinstance(result, DeadLetter))
            self._failed += self._recent[-1]
        if letters and self._failed > self._allowed:
            last = letters[-1]
            raise DeadLetterLimit(
                f"worker {self._worker}: {self._failed} of the last {len(self._recent)} records could not be handled "
                f"(limit {self._share:.0%} of {self._recent.maxlen}), which looks like a fault of this worker rather than of "
                f"the posts; the last one is {last.origin}: {last.reason}: {last.error[:300]}. "
                "Nothing of this batch was acknowledged. Mend the worker, or raise TAGPULSE_WORKER__DEAD_SHARE"
            )
