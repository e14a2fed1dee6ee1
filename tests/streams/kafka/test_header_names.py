"""Bytes that always decode, whichever part of them a parser takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.header_names import LenientBytes


def test_what_is_not_utf_8_is_escaped() -> None:
    assert LenientBytes(b"a\xff\xfe").decode() == r"a\xff\xfe"


@given(st.text())
def test_what_is_utf_8_stays(text: str) -> None:
    assert LenientBytes(text.encode()).decode() == text


@given(st.binary(), st.integers(0, 20), st.integers(0, 20))
def test_parts_are_lenient_too(value: bytes, start: int, end: int) -> None:
    part = LenientBytes(value)[start:end]
    assert part == value[start:end]
    assert part.decode("utf-8") == value[start:end].decode(errors="backslashreplace")
    assert list(LenientBytes(value)) == list(value)
