"""The phrase books of the sample day, one for each language, written for this project."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Literal

import msgspec

Tail = Literal["negative", "neutral", "positive", "support"]
Slip = Literal["swap", "lower", "exclaim"]


class Handles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The two halves of the invented names of citizens."""

    first: tuple[str, ...]
    second: tuple[str, ...]


class PhraseBook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The phrases of one language, with slots in braces: those of `slots`, and `{police}`, `{tag}`, `{time}`, `{n}`."""

    language: str
    """BCP-47 code; `und` for posts without words."""
    utc_offset_minutes: int
    """Offset from UTC of the local times in the texts."""
    slips: tuple[Slip, ...]
    """The kinds of mistakes that are possible in the writing system of the language."""
    police: tuple[str, ...]
    handles: Handles
    slots: Mapping[str, tuple[str, ...]]
    tails: Mapping[Tail, tuple[str, ...]]
    """Short sentences that may follow a phrase."""
    hashtags: Mapping[str, tuple[str, ...]]
    """Additional hashtags, by scene."""
    scenes: Mapping[str, tuple[str, ...]]
    """Phrases, by scene."""
    pairs: Mapping[str, tuple[tuple[str, str], ...]]
    """Questions and their answers, by scene."""


def load_phrase_books() -> tuple[PhraseBook, ...]:
    """Load all phrase books, in the order of their file names."""
    entries = sorted(files(__name__).iterdir(), key=lambda entry: entry.name)
    return tuple(
        msgspec.toml.decode(entry.read_bytes(), type=PhraseBook) for entry in entries if entry.name.endswith(".toml")
    )
