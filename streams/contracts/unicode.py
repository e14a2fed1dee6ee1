"""Unicode as strangers write it: one form for equal texts, in a time that grows with the length alone."""

from __future__ import annotations

import re
import unicodedata

_MARKS_IN_A_ROW = 30
"""What no writing needs more of: the bound of Unicode's Stream-Safe Text Format (UAX #15)."""

_HALF_WIDTH_MARKS = "\uff9e\uff9f"
"""Letters to Unicode (the voiced sound marks of half-width kana), but NFKC makes marks of them."""
# `re` knows no marks: they are among what is neither a letter, a number, a space nor ASCII
_MAY_BE_MARKS = re.compile(rf"(?:[^\w\s\x00-\x7f]|[{_HALF_WIDTH_MARKS}]){{{_MARKS_IN_A_ROW + 1},}}")

_ZWNJ = "\u200c"
_JOINERS = re.compile("[\u200c\u200d]+")
_INVISIBLE = re.compile(
    # what has Unicode's property Default_Ignorable_Code_Point, but the joiners
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    # and controls, but those that are spaces
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]+"
)
_VIRAMA = 9
"""Combining class of the signs that take a consonant's vowel away."""
_JOINING = re.compile("[\u0620-\u08ff\u1807-\u18aa]")
"""Scripts whose letters are joined to the next one, such as Arabic."""
_JOINED_TO_NONE = frozenset("آأؤإاةدذرزوىٱډڈڊڌڍڎڏڐڑړژۀۃۅۆۇۈۉۊۋە")
"""Letters among them that are not."""


def nfkc(text: str) -> str:
    """The text in Unicode's form NFKC, with at most 30 marks in a row: more of them take a time that grows with their square."""
    return unicodedata.normalize("NFKC", _MAY_BE_MARKS.sub(_without_piles, text))


def _without_piles(run: re.Match[str]) -> str:
    kept: list[str] = []
    marks = 0
    for character in run[0]:
        marks = marks + 1 if is_mark(character) or character in _HALF_WIDTH_MARKS else 0
        if marks <= _MARKS_IN_A_ROW:
            kept.append(character)
    return "".join(kept)


def is_mark(character: str) -> bool:
    """Whether it is written onto the letter before it."""
    return unicodedata.category(character)[0] == "M"


def visible(text: str) -> str:
    """The text without characters that cannot be seen, so that what looks alike is alike.

    A joiner stays where UAX #31 allows it in names, since there it changes how a word is written: beside a virama, as
    Indic words need it, and without joining after a letter that would be joined, as in Persian.
    """
    return _JOINERS.sub(_seen_joiner, _INVISIBLE.sub("", text))


def _seen_joiner(found: re.Match[str]) -> str:
    begin, end = found.span()
    if not 0 < begin <= end < len(found.string):
        return ""
    before, joiner, after = found.string[begin - 1], found[0][0], found.string[end]
    if _VIRAMA in (unicodedata.combining(before), unicodedata.combining(after)):
        return joiner
    joined = _JOINING.match(before) and _JOINING.match(after) and before not in _JOINED_TO_NONE
    return joiner if joined and joiner == _ZWNJ else ""
