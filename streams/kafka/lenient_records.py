"""Reading records whose header names are not UTF-8.

Brokers accept such records, but the Python clients fail at them and cannot read anything after them. The names are
escaped here: in kafka-python where its parser fails; for aiokafka, whose compiled parser cannot be patched, by fetching
the same records again and parsing them with its pure-Python parser.
"""

from __future__ import annotations

import inspect
from typing import Any

from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from kafka.record import default_records, memory_records

_MAX_WAIT_MS = 500


class _Bytes(bytes):
    """Bytes that decode with invalid sequences escaped."""

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        return _Bytes(part) if isinstance(key, slice) else part

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return super().decode(encoding, "backslashreplace")


class _Batch(_DefaultRecordBatchPy):  # type: ignore[misc]
    def __iter__(self) -> Any:
        super().__iter__()
        self._buffer: Any = _Bytes(self._buffer)
        return self


class _Records(_MemoryRecordsPy):  # type: ignore[misc]
    def next_batch(self) -> Any:
        batch = self._next_slice
        self._cache_next()
        return _Batch(batch)


class _KafkaPythonBatch(default_records.DefaultRecordBatch):  # type: ignore[misc]
    def _read_msg(self, *arguments: Any) -> Any:
        try:
            return super()._read_msg(*arguments)
        except UnicodeDecodeError:
            self._buffer: Any = _Bytes(self._buffer)
            return super()._read_msg(*arguments)


def patch_kafka_python() -> None:
    """Let all kafka-python consumers in this process read header names that are not UTF-8."""
    memory_records.DefaultRecordBatch = _KafkaPythonBatch


def unreadable(fetcher: Any) -> list[Any]:
    """Return the partitions at whose records the parser of an aiokafka fetcher has failed."""
    return [
        at
        for at, result in fetcher._records.items()
        if isinstance(result, FetchResult)
        and result.has_more()
        and inspect.getgeneratorstate(result._partition_records._records_iterator) == inspect.GEN_CLOSED
    ]


async def read_leniently(consumer: Any, assignment: Any, at: Any) -> None:
    """Replace the buffered records of a partition, from its position on, after its parser failed. Raises KafkaError."""
    fetcher, client = consumer._fetcher, consumer._client
    del fetcher._records[at]  # asking it again would skip the records that it had parsed before it failed
    position, limit = assignment.state_value(at).position, consumer._max_partition_fetch_bytes
    request = FetchRequest(_MAX_WAIT_MS, 1, limit, READ_COMMITTED, [(at.topic, [(at.partition, position, limit)])])
    answer = await client.send(client.cluster.leader_for_partition(at), request)
    [(_, [(_, _, _, *part)])] = answer.topics
    aborted = part[2] if answer.API_VERSION >= 11 else part[-2]
    records = PartitionRecords(at, _Records(bytes(part[-1])), aborted, position, None, None, True, READ_COMMITTED)
    if assignment.active:
        fetcher._records[at] = FetchResult(at, assignment=assignment, partition_records=records, backoff=0)
