from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.text.safe_text import readable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("  two\nlines\u2028and  more ", "two lines and more"),
        ("abc\u202edef\u202c\u2066x\u2069", "abcdefx"),
        ("a\x00b\x1b[31mc\x9b", "ab[31mc"),
        ("{{ .Labels }} <b>&amp;</b>", "{{ .Labels }} <b>&amp;</b>"),
        ("मैं ख़ुश हूँ", "मैं ख़ुश हूँ"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d🚒 ❤\ufe0f", "👩\u200d🚒 ❤\ufe0f"),
        ("zero\u200bwidth\ufeff\u2060", "zerowidth"),
        ("日本語のハッシュタグ", "日本語のハッシュタグ"),
        ("", ""),
    ],
)
def test_readable_text_is_kept_and_the_rest_removed(text: str, shown: str) -> None:
    assert readable(text, 100) == shown


def test_stacked_marks_are_limited() -> None:
    assert readable("e" + "\u0301" * 5_000, 50) == "e" + "\u0301" * 3 + "…"
    assert readable("x" * 60, 50) == "x" * 49 + "…"
    assert readable("x" * 50, 50) == "x" * 50


@given(st.text(), st.integers(1, 40))
def test_any_text_becomes_one_short_harmless_line(text: str, limit: int) -> None:
    shown = readable(text, limit)
    assert len(shown) <= limit
    assert "\n" not in shown
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cs", "Co", "Zl", "Zp"}
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert readable(shown, limit) == shown
