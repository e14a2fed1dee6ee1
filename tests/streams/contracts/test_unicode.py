"""Normalisation of arbitrary text."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts.unicode import nfkc, visible

EVERY = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]


@given(st.text())
def test_texts_without_long_runs_of_marks_become_nfkc(text: str) -> None:
    assert nfkc(text) == unicodedata.normalize("NFKC", text)


def test_thirty_marks_of_a_long_run_are_kept() -> None:
    assert nfkc("e" + "\u0301" * 100 + "f") == unicodedata.normalize("NFKC", "e" + "\u0301" * 30) + "f"
    assert nfkc("☃" * 100) == "☃" * 100


def test_every_character_that_becomes_only_marks_counts_as_a_mark() -> None:
    marks = [char for char in EVERY if all(map(unicodedata.combining, unicodedata.normalize("NFKD", char)))]
    assert len(marks) > 900
    assert not [char for char in marks if len(unicodedata.normalize("NFKD", nfkc("a" + char * 300))) > 100]


@pytest.mark.parametrize(
    "seen",
    [
        "می\u200cخواهم",  # Persian: non-joiner
        "ක්\u200dෂ",  # Sinhala: joiner after a virama
        "র\u200d্য",  # Bengali: joiner before a virama
        "क्\u200cष",
        "héllo #日本 😀",
    ],
)
def test_joiners_that_change_a_word_are_kept(seen: str) -> None:
    assert visible(seen) == seen


@pytest.mark.parametrize(
    "hidden",
    [
        "p\u200bo\u200cl\u200dt\u2060w\ufefft", "pol\u00adtwt", "poltwt\ufe0f", "\u200epol\u202etwt\u2069", "pol\U000e0074twt",
        "pol\u3164\u115ftwt", "\u200cpol\0twt\u200d", "pol\u034f\u061ctwt",
    ],
)  # fmt: skip
def test_invisible_characters_are_removed(hidden: str) -> None:
    assert visible(hidden) == "poltwt"


def test_a_joiner_without_effect_is_removed() -> None:
    assert visible("کار\u200cها") == "کارها"  # this letter does not join the next one
    assert visible("خانه\u200d \u200cمن") == "خانه من"
