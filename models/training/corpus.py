"""Builds the training and held-out rows from the data sets, in a fixed split without a text in both."""

import random
import re
import zlib
from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.heads import HEADS
from models.training import data as sets
from models.training import templated
from models.training.data import TrainingRow
from models.training.sets import SETS
from models.training.synthetic import fragments, has_emoji, without_language

LINGUA_HELD_OUT = 100
"""Number of held-out sentences per language, from the end of its file."""

SIB_SENTENCES = 300
"""Number of parallel sentences to train on; the other 500 are held out to evaluate the vectors."""

_WITHOUT_LANGUAGE = 3_000
_PLACEHOLDERS = re.compile(r"@user|http|\W")


def build(data: Path, seed: int = 0, *, open_terms: bool = False) -> list[TrainingRow]:
    """Return all rows in a fixed order, without duplicates; texts with the same `fingerprint` are duplicates.

    Sources that end in `-val`, `-dev` or `-held` are never trained on, nor is any text in them. A text in several sets
    is kept only in the first of them, so UMSAB's labels take precedence over those of the others. A text that a set labels
    in two ways is dropped. `umsab-val` and `afrisenti-dev` are complete, as they were published.

    With `open_terms`, sets whose terms are not `open` are neither needed nor used.
    """
    usable = {name: each for name, each in SETS.items() if each.terms == "open" or not open_terms}
    rng = random.Random(seed)
    tweets = list(sets.umsab(data, "train"))
    lingua, lingua_held = _split_lingua(data)
    parallel = list(sets.sib200(data))
    chosen = set(rng.sample(sorted({str(row.sentence) for row in parallel}), SIB_SENTENCES))
    undetermined = without_language(_WITHOUT_LANGUAGE + LINGUA_HELD_OUT, seed)
    tweets_by_year = _by_source(sets.semeval(data) if "semeval-2013" in usable else ())
    semeval = [_a_tenth_held_out(rows) for rows in tweets_by_year.values()]
    plain = [_a_tenth_held_out(list(each.read(data))) for each in usable.values() if each.read]
    published = [*sets.umsab(data, "val"), *sets.afrisenti(data, "dev")]
    drawn = [
        *(row for _, held in semeval for row in held),
        *templated.tested(seed),
        *lingua_held,
        *_pieces(lingua_held, seed, "fragment-held"),
        *(replace(row, source="sib200-held") for row in parallel if row.sentence not in chosen),
        *(TrainingRow("undetermined-held", text, "und") for text in undetermined[_WITHOUT_LANGUAGE:]),
        *(row for _, held in plain for row in held),
    ]
    held = [*published, *without_repeats(drawn, {text_key(row) for row in published})]
    kept = [row for row in parallel if row.sentence in chosen]
    train = [
        *templated.learned(seed),
        *tweets,
        *(row for kept, _ in semeval for row in kept),
        *sets.afrisenti(data, "train"),
        *sets.x_topic(data),
        *kept,
        *lingua,
        *(replace(row, topics=None) for row in sets.crisislex(data)),
        *_pieces([*lingua, *kept, *tweets], seed, "fragment"),
        *(row for kept, _ in plain for row in kept),
        *(_undetermined_row(text) for text in undetermined[:_WITHOUT_LANGUAGE]),
    ]
    return [*without_repeats(train, {text_key(row) for row in held}), *held]


def is_held_out(row: TrainingRow) -> bool:
    """Return whether a row is only for evaluation."""
    return row.source.endswith(("-val", "-dev", "-held"))


def fingerprint(text: str) -> str:
    """Return the letters and digits of a prepared text, in lower case and without placeholders."""
    return _PLACEHOLDERS.sub("", text.lower())


def text_key(row: TrainingRow) -> str:
    """Return what is equal for duplicates: the fingerprint, or the text if it has no letters or digits."""
    return fingerprint(row.text) or row.text


def without_repeats(rows: Sequence[TrainingRow], seen: Container[str]) -> list[TrainingRow]:
    """Drop texts that are in `seen`, in an earlier set, or labelled in two ways by their own set.

    A set may contain the same text in two languages.
    """
    labels: dict[tuple[str, str, str | None], set[tuple[Any, ...]]] = defaultdict(set)
    for row in rows:
        labels[row.source, text_key(row), row.language].add(tuple(row.label(head) for head in HEADS))
    kept: list[TrainingRow] = []
    owners: dict[str, str] = {}
    met: set[tuple[str, str | None]] = set()
    for row in rows:
        key = text_key(row)
        repeated = key in seen or owners.setdefault(key, row.source) != row.source or (key, row.language) in met
        met.add((key, row.language))
        if not repeated and len(labels[row.source, key, row.language]) == 1:
            kept.append(row)
    return kept


def _undetermined_row(text: str) -> TrainingRow:
    """Return a row for a text without a language; without emoji the text is also neutral and has no topics."""
    if has_emoji(text):
        return TrainingRow("undetermined", text, "und")
    return TrainingRow("undetermined", text, "und", sentiment=1, topics=())


def hold_out(rows: Iterable[TrainingRow], held_out: int) -> tuple[list[TrainingRow], list[TrainingRow]]:
    """Hold out rows as `SOURCE-held`, chosen by the checksum of their text, so that the split is stable when rows are added."""
    ordered = sorted(rows, key=lambda row: zlib.crc32(fingerprint(row.text).encode()))
    return ordered[held_out:], [replace(row, source=f"{row.source}-held") for row in ordered[:held_out]]


def _a_tenth_held_out(rows: Sequence[TrainingRow]) -> tuple[list[TrainingRow], list[TrainingRow]]:
    return hold_out(rows, len(rows) // 10)


def _by_source(rows: Iterable[TrainingRow]) -> dict[str, list[TrainingRow]]:
    sources: dict[str, list[TrainingRow]] = defaultdict(list)
    for row in rows:
        sources[row.source].append(row)
    return sources


def _split_lingua(data: Path) -> tuple[list[TrainingRow], list[TrainingRow]]:
    languages: dict[str | None, list[TrainingRow]] = defaultdict(list)
    for row in sets.lingua(data):
        languages[row.language].append(row)
    train = [row for rows in languages.values() for row in rows[:-LINGUA_HELD_OUT]]
    held = [replace(row, source="lingua-held") for rows in languages.values() for row in rows[-LINGUA_HELD_OUT:]]
    return train, held


def _pieces(rows: list[TrainingRow], seed: int, source: str) -> list[TrainingRow]:
    texts = fragments([row.text for row in rows], seed)
    return [TrainingRow(source, text, row.language) for text, row in zip(texts, rows, strict=True) if text]
