"""Records are decoded in order; an unreadable one is skipped, logged and counted."""

from __future__ import annotations

import logging

import pytest

from streams import metrics
from streams.agents.decoding import Decoded, decoding
from streams.contracts import Headers
from streams.errors import BadMessage
from streams.runtime.lossless import Record


def number(value: bytes | None, headers: Headers) -> int:
    """Decode digits, with the sign that a header names."""
    if value is None or not value.isdigit():
        raise BadMessage("malformed", f"not a number: {value!r}")
    return int(value) * (-1 if ("sign", b"-") in headers else 1)


def record(offset: int, value: bytes | None, headers: Headers = ()) -> Record:
    return Record("numbers", 3, offset, 1_000, b"key", value, headers)


def unreadable() -> float:
    return metrics.REGISTRY.get_sample_value("tagpulse_watch_unreadable_total", {"topic": "numbers"}) or 0.0


async def test_messages_keep_the_order_and_the_records() -> None:
    records = [record(0, b"7"), record(1, b"5", (("sign", b"-"),)), record(2, b"7")]
    assert await decoding(number)(records) == [
        Decoded(records[0], 7),
        Decoded(records[1], -5),
        Decoded(records[2], 7),
    ]
    assert await decoding(number)([]) == []


async def test_unreadable_records_are_skipped_logged_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    before = unreadable()
    records = [record(4, b"x"), record(5, b"1"), record(6, None)]
    with caplog.at_level(logging.WARNING):
        found = await decoding(number)(records)
    assert [message for _, message in found] == [None, 1, None]
    assert [each for each, _ in found] == records
    assert unreadable() - before == 2
    assert [line.getMessage() for line in caplog.records] == [
        "skipping numbers[3]@4: malformed: not a number: b'x'",
        "skipping numbers[3]@6: malformed: not a number: None",
    ]


async def test_other_errors_are_not_hidden() -> None:
    def broken(value: bytes | None, headers: Headers) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await decoding(broken)([record(0, b"1")])
