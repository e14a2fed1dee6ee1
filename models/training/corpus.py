"""What the model is trained and checked with: the data sets split once and for all, without a text in two parts."""

import random
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from models.training import data as sets
from models.training.data import Row
from models.training.synthetic import fragments, has_emoji, without_language

SEMEVAL_HELD_OUT = 2_000
HINGLISH_HELD_OUT = 400
LINGUA_HELD_OUT = 100
"""Sentences of each language, the last of its file."""

SIB_SENTENCES = 300
"""Parallel sentences that are trained on; the other 500 serve to check the vectors."""

_WITHOUT_LANGUAGE = 3_000
_PLACEHOLDERS = re.compile(r"@user|http|\W")


def build(data: Path, seed: int = 0) -> list[Row]:
    """Return all rows, in a fixed order, each text once.

    Sources that end in `-val`, `-dev` or `-held` are never trained on, nor is a text that differs from one of theirs
    only in mentions, links, case or punctuation.
    """
    rng = random.Random(seed)
    semeval, semeval_held = _split(sets.semeval(data), SEMEVAL_HELD_OUT, "semeval-held")
    tweets = list(sets.umsab(data, "train"))
    hinglish, hinglish_held = _split(
        (row for row in tweets if row.language == "hi-Latn"), HINGLISH_HELD_OUT, "hinglish-held"
    )
    lingua, lingua_held = _split_lingua(data)
    parallel = list(sets.sib200(data))
    chosen = set(rng.sample(sorted({str(row.sentence) for row in parallel}), SIB_SENTENCES))
    undetermined = without_language(_WITHOUT_LANGUAGE + LINGUA_HELD_OUT, seed)
    held = [
        *sets.umsab(data, "val"),
        *hinglish_held,
        *semeval_held,
        *sets.afrisenti(data, "dev"),
        *lingua_held,
        *_pieces(lingua_held, seed, "fragment-held"),
        *(replace(row, source="sib200-held") for row in parallel if row.sentence not in chosen),
        *(Row("undetermined-held", text, "und") for text in undetermined[_WITHOUT_LANGUAGE:]),
    ]
    kept = [row for row in parallel if row.sentence in chosen]
    train = [
        *(row for row in tweets if row.language != "hi-Latn"),
        *hinglish,
        *semeval,
        *sets.afrisenti(data, "train"),
        *sets.x_topic(data),
        *kept,
        *lingua,
        *_pieces([*lingua, *kept, *tweets], seed, "fragment"),
        *(_silent(text) for text in undetermined[:_WITHOUT_LANGUAGE]),
        *sets.emosent(data),
        *(replace(row, topics=None) for row in sets.crisislex(data)),
    ]
    return [*_once(train, {fingerprint(row.text) for row in held} - {""}), *held]


def is_held_out(row: Row) -> bool:
    """Tell whether a row is for checking only."""
    return row.source.endswith(("-val", "-dev", "-held"))


def fingerprint(text: str) -> str:
    """Return the letters and digits of a prepared text in lower case, without placeholders."""
    return _PLACEHOLDERS.sub("", text.lower())


def _once(rows: Iterable[Row], seen: set[str]) -> list[Row]:
    """Leave out texts that were seen, in the held-out parts or in an earlier row of a set."""
    kept: list[Row] = []
    met: dict[str, set[tuple[str, str | None]]] = defaultdict(set)
    for row in rows:
        key = fingerprint(row.text) or row.text
        short = row.source in {"fragment", "undetermined", "emosent"}
        if (key in seen and not short) or (key, row.language) in met[row.source]:
            continue
        met[row.source].add((key, row.language))
        kept.append(row)
    return kept


def _silent(text: str) -> Row:
    """A text without a language; one without emoji says nothing at all: it is neutral and has no topic."""
    if has_emoji(text):
        return Row("undetermined", text, "und")
    return Row("undetermined", text, "und", sentiment=1, topics=())


def _split(rows: Iterable[Row], held_out: int, source: str) -> tuple[list[Row], list[Row]]:
    """Hold out rows by the checksum of their text, so that the parts stay when other rows come."""
    ordered = sorted(rows, key=lambda row: zlib.crc32(fingerprint(row.text).encode()))
    return ordered[held_out:], [replace(row, source=source) for row in ordered[:held_out]]


def _split_lingua(data: Path) -> tuple[list[Row], list[Row]]:
    languages: dict[str | None, list[Row]] = defaultdict(list)
    for row in sets.lingua(data):
        languages[row.language].append(row)
    train = [row for rows in languages.values() for row in rows[:-LINGUA_HELD_OUT]]
    held = [replace(row, source="lingua-held") for rows in languages.values() for row in rows[-LINGUA_HELD_OUT:]]
    return train, held


def _pieces(rows: list[Row], seed: int, source: str) -> list[Row]:
    texts = fragments([row.text for row in rows], seed)
    return [Row(source, text, row.language) for text, row in zip(texts, rows, strict=True) if text]
