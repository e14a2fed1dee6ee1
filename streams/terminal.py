"""Texts of posts on a terminal: they are shown, and can do nothing."""

from __future__ import annotations

import unicodedata
from datetime import datetime

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
        shown.append(character if character.isprintable() else character.encode("unicode_escape", "replace").decode())
    return "".join(shown)


def span(begin: datetime, end: datetime | None) -> tuple[str, str]:
    """From when till when; the day once where it is the same."""
    if end is None:
        return f"{begin:%Y-%m-%d %H:%M}", "open"
    return f"{begin:%Y-%m-%d %H:%M}", f"{end:%H:%M}" if end.date() == begin.date() else f"{end:%Y-%m-%d %H:%M}"
