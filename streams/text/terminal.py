"""Formatting of untrusted text and JSON for terminals, with control characters escaped."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

# Control characters, line separators, bidirectional controls and lone surrogates; a tab is harmless.
_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_INVISIBLE = "\u200c\u200d\ufe0e\ufe0f"
"""Joiners and variation selectors: harmless, but terminals disagree on the width of the result."""
_MARKS_IN_A_ROW = 3


def plain(text: str) -> str:
    """Return the text on one line, with runs of whitespace collapsed and unsafe characters neutralised.

    Control characters and bidirectional controls are written as escapes. Joiners, variation selectors and combining
    marks stacked higher than any script needs are removed.
    """
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
    """Return the text unchanged, except that line breaks and terminal control characters are written as escapes."""
    return _UNSAFE.sub(lambda found: _escaped(found[0]), text)


def json_text(value: Any, *, indent: int | None = None) -> str:
    """Return a value as JSON that is safe to print: unprintable characters are escaped, which changes no value.

    Accepts everything that `json` accepts, as well as structs, dataclasses and datetimes.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=msgspec.to_builtins, indent=indent)
    if text.isprintable():
        return text
    return "".join(shown if shown.isprintable() or shown == "\n" else json.dumps(shown)[1:-1] for shown in text)


def rfc_3339(time: datetime) -> str:
    """Format a time as `json_text` does: with `Z` in UTC, and without a zone if it has none."""
    return str(msgspec.to_builtins(time))


def span(start: datetime, end: datetime | None) -> tuple[str, str]:
    """Format the start and end of a period; the date of the end is left out if it is the same, and None is `open`."""
    if end is None:
        return f"{start:%Y-%m-%d %H:%M}", "open"
    return f"{start:%Y-%m-%d %H:%M}", f"{end:%H:%M}" if end.date() == start.date() else f"{end:%Y-%m-%d %H:%M}"
