"""Decodes the records of a topic whose unreadable records another worker sends to the dead letters."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from streams import metrics
from streams.contracts import Headers
from streams.errors import BadMessage
from streams.runtime.lossless import Record

logger = logging.getLogger(__name__)

M = TypeVar("M")


class Decoded(NamedTuple, Generic[M]):
    """A record and its message; None if unreadable."""

    record: Record
    message: M | None


def decoding(
    decode: Callable[[bytes | None, Headers], M],
) -> Callable[[Sequence[Record]], Coroutine[Any, Any, list[Decoded[M]]]]:
    """Return a function that decodes records in order; unreadable ones are logged and counted."""

    def decoded(record: Record) -> Decoded[M]:
        try:
            return Decoded(record, decode(record.value, record.headers))
        except BadMessage as error:
            logger.warning("skipping %s: %s", record.location, error)
            metrics.UNREADABLE.labels(record.topic).inc()
            return Decoded(record, None)

    async def process(records: Sequence[Record]) -> list[Decoded[M]]:
        return [decoded(record) for record in records]

    return process
