"""What a dead letter keeps of its record, and when too many dead letters stop the worker."""

from __future__ import annotations

import pytest

from streams.agents.dead_letter import Limit, dead_letter, outgoing
from streams.contracts import ATTEMPTS_HEADER, DeadLetter, Headers, decode_dead
from streams.errors import BadMessage, DeadLetterLimit
from streams.runtime.lossless import Record
from streams.settings import WorkerSettings
from tests.helpers.letters import FAILED_AT

ERROR = BadMessage("oversize", "large" * 1_000)


def _letter(value: bytes | None, headers: Headers = ()) -> DeadLetter:
    return dead_letter(Record("raw", 3, 9, 1_000, b"k", value, headers), ERROR, FAILED_AT, 20_000)


def test_a_letter_has_its_record_and_the_start_of_the_error() -> None:
    letter = _letter(b"x", (("name", None),))
    assert (letter.origin, letter.timestamp_ms, letter.reason) == ("raw[3]@9", 1_000, "oversize")
    assert (letter.key, letter.value, letter.headers, letter.attempts) == (b"k", b"x", (("name", None),), 1)
    assert letter.error == "large" * 100
    record = outgoing(letter, "dead")
    assert (record.topic, record.key, record.timestamp_ms) == ("dead", b"k", int(FAILED_AT.timestamp() * 1000))
    assert decode_dead(record.value) == letter


def test_a_letter_says_whether_it_was_cut() -> None:
    assert not _letter(b"x" * 100).cut
    assert _letter(b"x" * 20_000).cut
    assert _letter(b"x", (("name", b"x" * 5_000),)).cut


@pytest.mark.parametrize(
    ("attempts", "count"), [(b"2", 3), (b"", 1), (None, 1), (b"many", 1), (b"9" * 10, 1), (b"-1", 1)]
)
def test_earlier_attempts_count(attempts: bytes | None, count: int) -> None:
    assert _letter(None, ((ATTEMPTS_HEADER, attempts),)).attempts == count


def test_the_worker_stops_when_too_many_of_a_window_failed() -> None:
    limit = Limit("enrich", WorkerSettings(dead_window=10, dead_share=0.5))
    bad = _letter(b"x")
    limit.check([object()] * 5 + [bad] * 5)
    limit.check([object()] * 6 + [bad] * 4)
    with pytest.raises(DeadLetterLimit, match=r"enrich: 6 of the last 10 .* the last one is raw\[3\]@9: oversize"):
        limit.check([bad] * 2)
