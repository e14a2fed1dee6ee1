from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sources.untyped import count, dicts, mapping, string, strings, time

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def test_values_of_the_expected_type_are_returned_unchanged() -> None:
    assert list(dicts([{"a": 1}, "b", None, {}])) == [{"a": 1}, {}]
    assert list(strings(["a", 1, "", None])) == ["a", ""]
    assert mapping({"a": 1}) == {"a": 1}
    assert string("a") == "a"
    assert time("2026-08-01T12:00:00Z") == datetime(2026, 8, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 0), (7, 7), (2**63 - 1, 2**63 - 1), (2**63, 0), (-1, 0), (True, 0), (1.0, 0), ("7", 0), (None, 0)],
)
def test_a_count_is_a_natural_number_that_fits(value: object, expected: int) -> None:
    assert count(value) == expected


@pytest.mark.parametrize("value", ["yesterday", "", 5, None, "0001-01-01T00:00:00+14:00", "9" * 18])
def test_a_value_without_a_time_is_none(value: object) -> None:
    assert time(value) is None


@given(_JSON)
def test_any_value_has_every_type_or_an_empty_default(value: Any) -> None:
    assert all(isinstance(each, dict) for each in dicts(value))
    assert all(isinstance(each, str) for each in strings(value))
    assert mapping(value) == (value if isinstance(value, dict) else {})
    assert string(value) == (value if isinstance(value, str) else "")
    assert 0 <= count(value) < 2**63
    assert time(value) is None or isinstance(value, str)
