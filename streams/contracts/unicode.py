"""Normalisation of untrusted Unicode text, in time linear in its length."""

from __future__ import annotations

import re
import unicodedata

_MARKS_IN_A_ROW = 30
"""More than any writing system needs: the limit of Unicode's Stream-Safe Text Format (UAX #15)."""

_HALF_WIDTH_MARKS = "\uff9e\uff9f"
"""The voiced sound marks of half-width kana: letters to Unicode, but NFKC turns them into marks."""
# `re` has no class for marks: they are among the characters that are neither letter, digit, space nor ASCII
_MAY_BE_MARKS = re.compile(rf"(?:[^\w\s\x00-\x7f]|[{_HALF_WIDTH_MARKS}]){{{_MARKS_IN_A_ROW + 1},}}")

_ZWNJ = "\u200c"
_JOINERS = re.compile("[\u200c\u200d]+")
_INVISIBLE = re.compile(
    # characters with the property Default_Ignorable_Code_Point, except the joiners
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    # and control characters, except whitespace
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]+"
)
_VIRAMA = 9
"""Combining class of the signs that suppress a consonant's inherent vowel."""
_JOINING = re.compile("[\u0620-\u08ff\u1807-\u18aa]")
"""Scripts whose letters join the next letter, such as Arabic."""
_NOT_JOINED_TO_NEXT = frozenset("آأؤإاةدذرزوىٱډڈڊڌڍڎڏڐڑړژۀۃۅۆۇۈۉۊۋە")
"""Letters of these scripts that do not join the next letter."""


def nfkc(text: str) -> str:
    """Return the text in Unicode form NFKC, with at most 30 marks in a row.

    Normalising longer runs of marks would take quadratic time.
    """
    return unicodedata.normalize("NFKC", _MAY_BE_MARKS.sub(_limit_marks, text))


def _limit_marks(run: re.Match[str]) -> str:
    kept: list[str] = []
    marks = 0
    for character in run[0]:
        marks = marks + 1 if is_mark(character) or character in _HALF_WIDTH_MARKS else 0
        if marks <= _MARKS_IN_A_ROW:
            kept.append(character)
    return "".join(kept)


def is_mark(character: str) -> bool:
    """Return whether the character combines with the one before it."""
    return unicodedata.category(character)[0] == "M"


def visible(text: str) -> str:
    """Return the text without invisible characters, so that texts that look alike are equal.

    A joiner is kept where UAX #31 allows it in identifiers, since there it changes how a word is displayed: next to a
    virama, as Indic words require, and (a non-joiner) between letters that would otherwise be joined, as in Persian.
    """
    return _JOINERS.sub(_visible_joiner, _INVISIBLE.sub("", text))


def _visible_joiner(found: re.Match[str]) -> str:
    start, end = found.span()
    if not 0 < start <= end < len(found.string):
        return ""
    before, joiner, after = found.string[start - 1], found[0][0], found.string[end]
    if _VIRAMA in (unicodedata.combining(before), unicodedata.combining(after)):
        return joiner
    joined = _JOINING.match(before) and _JOINING.match(after) and before not in _NOT_JOINED_TO_NEXT
    return joiner if joined and joiner == _ZWNJ else ""
