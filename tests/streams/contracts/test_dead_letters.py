"""A dead letter fits into its topic and says what was cut or omitted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import encode
from tests.helpers.letters import found_letter

LIMIT = 20_000
ROOM = (LIMIT - 8_192) * 3 // 4


def test_a_small_letter_stays_as_it_is() -> None:
    letter = found_letter(value=b"x" * ROOM, headers=(("name", b"value"), ("other", None))).letter
    assert letter.fit(LIMIT) == letter
    assert not letter.fit(LIMIT).cut


def test_a_large_value_is_cut() -> None:
    letter = found_letter(value=b"x" * (ROOM + 1)).letter.fit(LIMIT)
    assert letter.value == b"x" * ROOM
    assert letter.cut
    assert letter.error == f"broken; cut to the first {ROOM} of {ROOM + 1} bytes"


@pytest.mark.parametrize(
    "fields", [{"key": b"k" * 5_000}, {"headers": (("name", b"v" * 5_000),)}], ids=["key", "headers"]
)
def test_a_large_key_or_header_is_omitted(fields: dict[str, Any]) -> None:
    letter = found_letter(**fields).letter.fit(LIMIT)
    assert (letter.key, letter.headers, letter.value) == (None, (), b"value")
    assert letter.cut
    assert letter.error == "broken; key and headers are too large and were omitted"


@given(st.integers(0, 50_000), st.integers(0, 10_000), st.integers(0, 10_000))
def test_every_letter_fits(value: int, key: int, header: int) -> None:
    letter = found_letter(value=b"x" * value, key=b"k" * key, headers=(("name", b"v" * header),)).letter.fit(LIMIT)
    assert len(encode(letter)) <= LIMIT
    assert letter.cut == (value > ROOM or key + header + len("name") > 4_096)
