"""Texts of strangers in one form, whatever their characters are."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.unicode import nfkc, visible

EVERY = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]


@given(st.text())
def test_texts_without_piles_of_marks_become_nfkc(text: str) -> None:
    assert nfkc(text) == unicodedata.normalize("NFKC", text)


def test_of_a_pile_of_marks_thirty_stay() -> None:
    assert nfkc("e" + "\u0301" * 100 + "f") == unicodedata.normalize("NFKC", "e" + "\u0301" * 30) + "f"
    assert nfkc("☃" * 100) == "☃" * 100


def test_every_character_that_becomes_marks_alone_is_a_mark_here() -> None:
    marks = [char for char in EVERY if all(map(unicodedata.combining, unicodedata.normalize("NFKD", char)))]
    assert len(marks) > 900
    assert not [char for char in marks if len(unicodedata.normalize("NFKD", nfkc("a" + char * 300))) > 100]


@pytest.mark.parametrize(
    "seen",
    [
        "می\u200cخواهم",  # Persian: without joining
        "ක්\u200dෂ",  # Sinhala: joined behind a virama
        "র\u200d্য",  # Bengali: before one
        "क्\u200cष",
        "héllo #日本 😀",
    ],
)
def test_what_changes_how_a_word_is_written_stays(seen: str) -> None:
    assert visible(seen) == seen


@pytest.mark.parametrize(
    "hidden",
    [
        "p\u200bo\u200cl\u200dt\u2060w\ufefft", "pol\u00adtwt", "poltwt\ufe0f", "\u200epol\u202etwt\u2069", "pol\U000e0074twt",
        "pol\u3164\u115ftwt", "\u200cpol\0twt\u200d", "pol\u034f\u061ctwt",
    ],
)  # fmt: skip
def test_what_cannot_be_seen_goes(hidden: str) -> None:
    assert visible(hidden) == "poltwt"


def test_a_joiner_that_joins_nothing_goes() -> None:
    assert visible("کار\u200cها") == "کارها"  # no letter is joined to the left of that one
    assert visible("خانه\u200d \u200cمن") == "خانه من"
