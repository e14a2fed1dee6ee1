"""Texts by template, for what data sets seldom label: irony, names that look like moods, police reports, wishes, acts.

Each language has a TOML file in this folder, named by its code; the texts of `any.toml` occur in several languages and
have none. A file has groups of templates with the same labels, one template per line, and the values of the slots in
their texts: `[[learn]]` and `[slots.learn]` to train on, `[[test]]` and `[slots.test]` to evaluate. The two have no
template, no sequence of four words and no value of a slot in common, so that the scores measure generalisation.
"""

import tomllib
from pathlib import Path

import msgspec
from msgspec import Struct

from models.enrichment import SentimentLabel

ANY_LANGUAGE = "any"


class Group(Struct, frozen=True, forbid_unknown_fields=True):
    """Templates with the same labels, one per line; a label that is left out is unknown."""

    texts: str
    sentiment: SentimentLabel | None = None
    emotions: tuple[str, ...] | None = None
    acts: tuple[str, ...] | None = None

    @property
    def templates(self) -> list[str]:
        """The templates, in order."""
        return [line for line in self.texts.splitlines() if line]


class Slots(Struct, frozen=True, forbid_unknown_fields=True):
    """The values of each slot, by part."""

    learn: dict[str, tuple[str, ...]] = {}
    test: dict[str, tuple[str, ...]] = {}


class Templates(Struct, frozen=True, forbid_unknown_fields=True):
    """The templates of a language."""

    learn: tuple[Group, ...]
    test: tuple[Group, ...]
    slots: Slots = Slots()


def read() -> dict[str, Templates]:
    """Return the templates by language; those for any language are named `any`."""
    files = sorted(Path(__file__).parent.glob("*.toml"))
    return {path.stem: msgspec.convert(tomllib.loads(path.read_text("utf-8")), Templates) for path in files}
