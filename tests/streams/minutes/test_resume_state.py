from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import PulseMinute, encode
from streams.metrics import OTHER
from streams.minutes.post import minute_of
from streams.minutes.resume_state import KnownParts, ResumeState
from tests.helpers.minutes import START

FIRST = minute_of(START.timestamp())


def part(minute: int, hashtag: str = "a", *, final: bool = False, ends: bool = False, partition: int = 0) -> bytes:
    """Return the value of a part; only the last part of a batch has a watermark after its minute."""
    time = START + timedelta(minutes=minute)
    return encode(
        PulseMinute(
            minute=time,
            hashtag=hashtag,
            partition=partition,
            watermark=time + timedelta(minutes=5) if ends else time,
            final=final,
        )
    )


def known(*values: bytes | None) -> ResumeState:
    parts = KnownParts()
    for value in values:
        parts.add(value)
    return parts.of(0)


def test_a_partition_without_parts_starts_from_scratch() -> None:
    assert known() == ResumeState(done_until=0, begun=set(), since={})
    assert known(part(1, partition=1, final=True, ends=True)) == ResumeState()


def test_parts_that_are_not_final_only_say_which_hashtags_were_chosen() -> None:
    assert known(part(3, "b"), part(2), part(5, "b"), part(1, OTHER)) == ResumeState(
        since={"a": FIRST + 2, "b": FIRST + 3}
    )


def test_a_final_batch_completes_its_minutes() -> None:
    found = known(part(1, final=True), part(2, "a", final=True), part(2, "b", final=True, ends=True))
    assert (found.done_until, found.begun) == (FIRST + 3, set())


def test_a_batch_that_was_not_written_to_its_end_is_continued() -> None:
    found = known(part(1, final=True, ends=True), part(2, "a", final=True), part(2, "b", final=True))
    assert (found.done_until, found.begun) == (FIRST + 2, {"a", "b"})
    found = known(part(1, final=True, ends=True), part(2, "a", final=True), part(3, "b", final=True))
    assert (found.done_until, found.begun) == (FIRST + 3, {"b"}), "the minutes before it are complete"


def test_an_earlier_final_part_changes_nothing() -> None:
    found = known(part(5, final=True, ends=True), part(3, "b", final=True), part(4, "c", final=True, ends=True))
    assert (found.done_until, found.begun) == (FIRST + 6, set())


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b"\xff", b'{"minute": 1}', b"[" * 100_000])
def test_a_value_that_is_not_a_part_is_ignored(value: bytes | None) -> None:
    assert known(value, part(1, final=True, ends=True)).done_until == FIRST + 2


@given(st.binary())
def test_no_value_causes_an_error(value: bytes) -> None:
    assert known(value) == ResumeState()
