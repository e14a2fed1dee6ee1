"""Texts of posts on a terminal: they are shown, and can do nothing."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

# Controls, line separators, what turns the direction of writing, and halves of surrogate pairs; a tab does no harm.
_STEERING = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_INVISIBLE = "\u200c\u200d\ufe0e\ufe0f"
"""Joiners and variation selectors: harmless, but terminals disagree on the width of what they join."""
_MARKS_IN_A_ROW = 3


def plain(text: str) -> str:
    """The text on one line, without what steers a terminal: controls and what turns the direction of writing are
    written as escapes, and marks piled on one letter beyond what any script needs are left out."""
    shown: list[str] = []
    marks = 0
    for character in " ".join(text.split()):
        marks = marks + 1 if unicodedata.combining(character) else 0
        if character in _INVISIBLE or marks > _MARKS_IN_A_ROW:
            continue
        shown.append(character if character.isprintable() else _escaped(character))
    return "".join(shown)


@lru_cache(maxsize=256)
def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def one_line(text: str) -> str:
    """The text as it is, but for line breaks and what steers a terminal: these are written as escapes."""
    return _STEERING.sub(lambda found: _escaped(found[0]), text)


def json_text(value: Any, *, indent: int | None = None) -> str:
    """JSON that can be shown: what cannot be printed stands in it as escapes, which change no value.

    Takes what `json` takes, and structs, dataclasses and times.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=msgspec.to_builtins, indent=indent)
    if text.isprintable():
        return text
    return "".join(shown if shown.isprintable() or shown == "\n" else json.dumps(shown)[1:-1] for shown in text)


def span(begin: datetime, end: datetime | None) -> tuple[str, str]:
    """From when till when; the day once where it is the same."""
    if end is None:
        return f"{begin:%Y-%m-%d %H:%M}", "open"
    return f"{begin:%Y-%m-%d %H:%M}", f"{end:%H:%M}" if end.date() == begin.date() else f"{end:%Y-%m-%d %H:%M}"
