"""Reader of the further labelled posts in `more/TASK/SET.tsv`, whose labels are mapped to those of the model."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from models.enrichment import ACTS, EMOTIONS, SENTIMENTS
from models.errors import TrainingDataError
from models.text import prepare
from models.training.data import TrainingRow, mostly_ascii_letters

_WRITTEN = {"ta-Latn": "ta", "ml-Latn": "ml"}
"""Languages whose romanised sets also have texts in the language's own script."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Further:
    """What the file of a set says.

    Attributes:
        task: What its labels are.
        unknown: Labels of the model that the set does not have: they are neither present nor absent.
        names: The label of the model by label of the set, if they differ; labels that are not listed mean none.
        says_language: Whether the language of the file is that of the texts.
    """

    task: Literal["sentiment", "emotion", "act", "language"]
    unknown: frozenset[str] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict)
    says_language: bool = True


def further(data: Path, name: str, says: Further) -> Iterator[TrainingRow]:
    """Yield the rows of a set.

    Raises:
        TrainingDataError: If the file is missing or has a sentiment that the set is said not to have.
    """
    path = data / "more" / says.task / f"{name}.tsv"
    if not path.is_file():
        raise TrainingDataError(f"the data set {name}: {path} is missing; docs/training.md says where to get it")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    used = _labels_by_language(rows)
    for line, row in enumerate(rows, 2):
        text = prepare(row["text"])
        language = _written(row["lang"], text) if says.says_language else None
        labels = [says.names.get(label, "") if says.names else label for label in row["label"].split(",")]
        if says.task == "sentiment":
            if labels[0] not in SENTIMENTS or labels[0] in says.unknown:
                raise TrainingDataError(f"{path}:{line}: {labels[0]!r} is not a sentiment of this set")
            yield TrainingRow(name, text, language, sentiment=SENTIMENTS.index(labels[0]), unknown=says.unknown)
        elif says.task == "emotion":
            # in a set with the model's own labels, nobody was asked for an emotion that no text of the language has
            silent = frozenset() if says.names else frozenset(EMOTIONS) - used[row["lang"]]
            yield TrainingRow(name, text, language, emotions=_known(labels, EMOTIONS), unknown=says.unknown | silent)
        elif says.task == "act":
            yield TrainingRow(name, text, language, acts=_known(labels, ACTS), unknown=says.unknown)
        else:
            yield TrainingRow(name, text, language)


def _labels_by_language(rows: Iterable[Mapping[str, str]]) -> dict[str, set[str]]:
    used: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        used[row["lang"]].update(row["label"].split(","))
    return used


def _known(labels: Iterable[str], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(label for label in dict.fromkeys(labels) if label in names)


def _written(language: str, text: str) -> str:
    native = _WRITTEN.get(language)
    return native if native and not mostly_ascii_letters(text) else language
