"""What the heads are fitted on and checked with: samples of the data sets, fragments, and texts without a language."""

import random
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from pathlib import Path

from models.training import data as sets
from models.training.data import Row
from models.training.synthetic import fragments, has_emoji, without_language

_SEMEVAL_PER_LABEL = 5_000
_AFRISENTI_PER_GROUP = 600
_SIB_SENTENCES = 300
_LINGUA_HELD_OUT = 100
_WITHOUT_LANGUAGE = 3_000


def build(data: Path, seed: int = 0) -> list[Row]:
    """Return all rows, in a fixed order; sources that end in `-val`, `-dev` or `-held` are never fitted on."""
    rng = random.Random(seed)
    validation = list(sets.umsab(data, "val"))
    held_texts = {row.text for row in validation}

    semeval = _sample(sets.semeval(data), lambda row: row.sentiment, _SEMEVAL_PER_LABEL, rng)
    african = _sample(
        sets.afrisenti(data, "train"), lambda row: (row.language, row.sentiment), _AFRISENTI_PER_GROUP, rng
    )
    parallel = list(sets.sib200(data))
    chosen = set(rng.sample(sorted({str(row.sentence) for row in parallel}), _SIB_SENTENCES))
    parallel = [row for row in parallel if row.sentence in chosen]
    lingua, lingua_held = _split_lingua(data)

    pieces = [*_pieces(lingua, seed), *_pieces(parallel, seed)]
    train = [*sets.umsab(data, "train"), *semeval, *african, *sets.x_topic(data), *parallel, *lingua, *pieces]
    undetermined = without_language(_WITHOUT_LANGUAGE + _LINGUA_HELD_OUT, seed)
    return [
        *(row for row in train if row.text not in held_texts),
        *(_silent(text) for text in undetermined[:_WITHOUT_LANGUAGE]),
        *sets.emosent(data),
        *validation,
        *sets.afrisenti(data, "dev"),
        *lingua_held,
        *(replace(row, source="fragment-held") for row in _pieces(lingua_held, seed)),
        *(Row("undetermined-held", text, "und") for text in undetermined[_WITHOUT_LANGUAGE:]),
    ]


def _silent(text: str) -> Row:
    """A text without a language; one without emoji says nothing at all: it is neutral and has no topic."""
    if has_emoji(text):
        return Row("undetermined", text, "und")
    return Row("undetermined", text, "und", sentiment=1, topics=())


def is_held_out(row: Row) -> bool:
    """Tell whether a row is for checking only."""
    return row.source.endswith(("-val", "-dev", "-held"))


def _sample(rows: Iterable[Row], group: Callable[[Row], Hashable], most: int, rng: random.Random) -> list[Row]:
    groups: dict[Hashable, list[Row]] = defaultdict(list)
    for row in rows:
        groups[group(row)].append(row)
    return [row for members in groups.values() for row in rng.sample(members, min(most, len(members)))]


def _split_lingua(data: Path) -> tuple[list[Row], list[Row]]:
    languages: dict[str | None, list[Row]] = defaultdict(list)
    for row in sets.lingua(data):
        languages[row.language].append(row)
    train = [row for rows in languages.values() for row in rows[:-_LINGUA_HELD_OUT]]
    held = [replace(row, source="lingua-held") for rows in languages.values() for row in rows[-_LINGUA_HELD_OUT:]]
    return train, held


def _pieces(rows: list[Row], seed: int) -> list[Row]:
    texts = fragments([row.text for row in rows], seed)
    return [Row("fragment", text, row.language) for text, row in zip(texts, rows, strict=True) if text]
