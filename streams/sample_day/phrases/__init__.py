"""What the people of the sample day say: one phrase book for each language, written for this project."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Literal

import msgspec

Tail = Literal["negative", "neutral", "positive", "support"]
Slip = Literal["swap", "lower", "exclaim"]


class Handles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The two halves that the invented names of citizens are made of."""

    first: tuple[str, ...]
    second: tuple[str, ...]


class PhraseBook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One language. Phrases hold slots in braces: those of `slots`, and `{police}`, `{tag}`, `{time}`, `{n}`."""

    language: str
    """BCP-47; `und` for posts without words."""
    utc_offset_minutes: int
    """The local time that the texts speak of."""
    slips: tuple[Slip, ...]
    """The kinds of careless writing that fit the script of the language."""
    police: tuple[str, ...]
    handles: Handles
    slots: Mapping[str, tuple[str, ...]]
    tails: Mapping[Tail, tuple[str, ...]]
    """Short sentences that may follow a phrase."""
    hashtags: Mapping[str, tuple[str, ...]]
    """Second hashtags by scene."""
    scenes: Mapping[str, tuple[str, ...]]
    pairs: Mapping[str, tuple[tuple[str, str], ...]]
    """Scenes of questions, each with its answer."""


def load_phrase_books() -> tuple[PhraseBook, ...]:
    """All phrase books, in the order of their file names."""
    entries = sorted(files(__name__).iterdir(), key=lambda entry: entry.name)
    return tuple(
        msgspec.toml.decode(entry.read_bytes(), type=PhraseBook) for entry in entries if entry.name.endswith(".toml")
    )
