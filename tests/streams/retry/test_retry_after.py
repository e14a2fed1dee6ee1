"""The wait that a server asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.retry.retry_after import seconds_asked


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        ("0", 0.0),
        ("99999999999999999", 3_600.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
        ("1970-01-01T00:01:40Z", 90.0),
        ("1970-01-01T00:01:40", 90.0),
        ("9999999999", 3_600.0),
        ("-1", None),
        ("soon", None),
        ("٣", None),
        ("", None),
        (None, None),
    ],
)
def test_the_wait_that_a_header_asks_for(header: str | None, seconds: float | None) -> None:
    assert seconds_asked(header, 10.0, 3_600.0) == seconds


@given(st.text())
def test_the_wait_is_limited_whatever_a_server_asks_for(header: str) -> None:
    seconds = seconds_asked(header, 1e9, 3_600.0)
    assert seconds is None or 0 <= seconds <= 3_600
