"""Dead letters for records that a worker cannot process, and the limit at which the worker stops instead."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime

from streams.contracts import ATTEMPTS_HEADER, DeadLetter, encode
from streams.errors import BadMessage, DeadLetterLimit
from streams.kafka.publisher import Outgoing
from streams.runtime.lossless import Record
from streams.settings import WorkerSettings

_ERROR_CHARACTERS = 500
_ATTEMPTS_DIGITS = 9


def dead_letter(record: Record, error: BadMessage, failed_at: datetime, limit: int) -> DeadLetter:
    """Return a dead letter of at most `limit` bytes with the record and the reason it could not be processed."""
    return DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp_ms,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
        reason=error.reason,
        error=error.detail[:_ERROR_CHARACTERS],
        attempts=_attempts(record) + 1,
        failed_at=failed_at,
    ).fit(limit)


def _attempts(record: Record) -> int:
    """Return the number of previous failures from the header; an invalid number counts as 0."""
    values = (value for name, value in record.headers if name == ATTEMPTS_HEADER and value)
    return next((int(value) for value in values if value.isdigit() and len(value) <= _ATTEMPTS_DIGITS), 0)


def outgoing(letter: DeadLetter, topic: str) -> Outgoing:
    """Return the letter as a record with the failure time, and the original key to keep letters of a post together."""
    return Outgoing(topic, letter.key, encode(letter), int(letter.failed_at.timestamp() * 1000))


class Limit:
    """Stops the worker when too many records of a sliding window have failed.

    A bad deployment (a broken model, a reader older than its input) would otherwise turn the whole topic into dead
    letters. The worker exits instead, before it acknowledges the batch that exceeded the limit.
    """

    def __init__(self, worker: str, settings: WorkerSettings) -> None:
        self._worker = worker
        self._allowed = settings.dead_window * settings.dead_share
        self._share = settings.dead_share
        self._recent: deque[bool] = deque(maxlen=settings.dead_window)
        self._failed = 0

    def check(self, results: Sequence[object]) -> None:
        """Count the results of a batch and the dead letters among them.

        Raises:
            DeadLetterLimit: Too many of the last records failed.
        """
        letters = [result for result in results if isinstance(result, DeadLetter)]
        for result in results:
            if len(self._recent) == self._recent.maxlen:
                self._failed -= self._recent[0]
            self._recent.append(isinstance(result, DeadLetter))
            self._failed += self._recent[-1]
        if letters and self._failed > self._allowed:
            last = letters[-1]
            raise DeadLetterLimit(
                f"worker {self._worker}: {self._failed} of the last {len(self._recent)} records could not be processed "
                f"(limit {self._share:.0%} of {self._recent.maxlen}), which looks like a fault of this worker rather "
                f"than of the posts; the last one is {last.origin}: {last.reason}: {last.error[:300]}. "
                "This batch was not acknowledged. Fix the worker, or raise TAGPULSE_WORKER__DEAD_SHARE"
            )
