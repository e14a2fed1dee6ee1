"""What tagpulse uses of kafka-python beyond its public API: the only module that does."""

from __future__ import annotations

import contextlib
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError
from kafka.record import default_records, memory_records

from streams.kafka.checked_versions import require_checked
from streams.kafka.header_names import LenientBytes

require_checked("kafka-python")


class _LenientBatch(default_records.DefaultRecordBatch):  # type: ignore[misc]
    def _read_msg(self, *arguments: Any) -> Any:
        try:
            return super()._read_msg(*arguments)
        except UnicodeDecodeError:
            self._buffer: Any = LenientBytes(self._buffer)
            return super()._read_msg(*arguments)


def read_any_header_name() -> None:
    """Let all consumers in this process read header names that are not UTF-8.

    `memory_records` looks its batch class up by name and gives no choice of another. The class parses a record with
    `_read_msg`, which starts again at the record when it is called again, from the bytes in `_buffer`.
    """
    memory_records.DefaultRecordBatch = _LenientBatch


def discard(producer: KafkaProducer, seconds: float) -> None:
    """Close a producer without sending the batches that it holds, waiting at most `seconds` for its thread.

    `KafkaProducer.close` raises while batches are in flight and leaves its thread, `_sender`, running, which would
    still send them; nor does it then note in `_closed` that it was closed, and would try again at the exit.
    """
    producer._sender.force_close()
    producer._sender.join(seconds)
    with contextlib.suppress(KafkaError):
        producer.close(timeout=0)
    producer._closed = True
