"""Words of strangers inside sentences of ours: they can be read, and do nothing to what stands around them."""

from __future__ import annotations

import unicodedata

_JOINERS = "\u200c\u200d"
_MARKS_IN_A_ROW = 3
_SPACES = frozenset(("Zs", "Zl", "Zp"))
_DROPPED = frozenset(("Cc", "Cf", "Co", "Cs"))
_MARKS = frozenset(("Mn", "Me"))
MASK = "**********"
_TO_READ = 4
"""At most so many characters are read for each one that is shown: 10 kB of marks cost nothing."""


def readable(text: str, limit: int) -> str:
    """The text on one line of at most `limit` characters, an ellipsis at its end where it was cut.

    Controls, what turns the direction of writing, and other invisible characters are left out, and so are marks piled on
    one letter beyond what any script needs. The joiners of emoji and of Indic and Persian words stay.
    """
    shown: list[str] = []
    marks = 0
    length = limit * _TO_READ
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
    """A server's words without what we told it: some repeat the request in their errors."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, MASK)
    return text
