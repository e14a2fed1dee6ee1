"""Places of records, as they are written and read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import ORIGIN_HEADER, check_location, origin_of, parse_location, record_location

numbers = st.integers(-(2**63), 2**63 - 1)


@given(st.text(min_size=1), numbers, numbers)
def test_what_is_written_is_read(topic: str, partition: int, offset: int) -> None:
    assert parse_location(record_location(topic, partition, offset)) == (topic, partition, offset)


@given(st.text(min_size=1), st.integers(0), st.integers(0))
def test_the_place_of_a_record_is_accepted(topic: str, partition: int, offset: int) -> None:
    place = record_location(topic, partition % 2**31, offset % 2**63)
    assert check_location(place) == place


@pytest.mark.parametrize("text", ["", "dead", "dead[0]", "dead[0]@", "dead[-1]@1", "[0]@1", "dead[0]@1 ", "dead[0]@x"])
def test_an_invalid_place_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a place of the form topic\[partition\]@offset, such as"):
        check_location(text)


@pytest.mark.parametrize(
    ("value", "origin"),
    [(b"raw[0]@1", "raw[0]@1"), (b"raw[-1]@-1", "raw[-1]@-1"), (b"\xff[0]@1", None), (b"raw", None), (None, None)],
)
def test_the_origin_of_a_record_is_its_header(value: bytes | None, origin: str | None) -> None:
    assert origin_of([("other", b"raw[1]@2"), (ORIGIN_HEADER, value)]) == origin
