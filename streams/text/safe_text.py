"""Sanitising of untrusted text for inclusion in messages: it stays readable and cannot affect the text around it."""

from __future__ import annotations

import unicodedata

_JOINERS = "\u200c\u200d"
_MARKS_IN_A_ROW = 3
_SPACES = frozenset(("Zs", "Zl", "Zp"))
_DROPPED = frozenset(("Cc", "Cf", "Co", "Cs"))
_MARKS = frozenset(("Mn", "Me"))
MASK = "**********"
_READ_FACTOR = 4
"""Characters read at most per character shown, so that 10 kB of combining marks cost nothing."""


def readable(text: str, limit: int) -> str:
    """Return the text on one line of at most `limit` characters, with an ellipsis at the end if it was cut.

    Control characters, bidirectional controls and other invisible characters are removed, and so are combining marks
    stacked higher than any script needs. The joiners of emoji and of Indic and Persian words are kept.
    """
    shown: list[str] = []
    marks = 0
    length = limit * _READ_FACTOR
    for character in text[:length]:
        category = unicodedata.category(character)
        if category in _SPACES or character in "\t\n\r":
            if shown and shown[-1] != " ":
                shown.append(" ")
            marks = 0
        elif character in _JOINERS or category in _MARKS:
            marks += 1
            if marks <= _MARKS_IN_A_ROW:
                shown.append(character)
        elif category not in _DROPPED:
            shown.append(character)
            marks = 0
    whole = "".join(shown).strip()
    if len(whole) <= limit and len(text) <= length:
        return whole
    return whole[: limit - 1].rstrip() + "…"


def without_secrets(text: str, *secrets: str) -> str:
    """Return a server's message with the secrets masked, since some servers repeat the request in their errors."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, MASK)
    return text
