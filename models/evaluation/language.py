"""Evaluates language identification on files of texts in one language each."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from msgspec import Struct

from models.enricher import TextEnricher
from models.enrichment import ModelInfo
from models.errors import EvaluationDataError
from models.evaluation.answers import Advance, ask, silent
from models.evaluation.measures import calibration, fraction, percent
from models.evaluation.reading import files_of, read_lines

MOST_CONFUSED = 3
"""Number of wrong answers listed for each language."""

_CODE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")


@dataclass(frozen=True, slots=True)
class NamedLanguages:
    """The languages that the model assigned to texts, and their probabilities."""

    codes: tuple[str, ...]
    scores: tuple[float, ...]


class LanguageScore(Struct, frozen=True, kw_only=True):
    """The accuracy on one language in per cent; `most_confused` counts the most common wrong answers."""

    accuracy: float
    texts: int
    most_confused: dict[str, int]


class MeanAccuracy(Struct, frozen=True, kw_only=True):
    """Mean accuracy over the languages, in per cent."""

    accuracy: float


class LanguageReport(Struct, frozen=True, kw_only=True):
    """The report printed by `eval language --json`; `accuracy` is over all texts, `ece` is a fraction."""

    task: str = "language"
    languages: dict[str, LanguageScore]
    mean: MeanAccuracy
    accuracy: float
    ece: float
    model: ModelInfo


def read_language(folder: Path) -> dict[str, tuple[str, ...]]:
    """Read the texts of each `CODE.txt` (BCP-47), one per line; blank lines and files with other names are ignored.

    Raises:
        EvaluationDataError: If there is no such file, or a file has no texts.
    """
    paths = [path for path in files_of(folder, ".txt") if _CODE.fullmatch(path.stem)]
    if not paths:
        raise EvaluationDataError(f"{folder} has no file named after a language, such as en.txt or hi-Latn.txt")
    return {path.stem: _texts(path) for path in paths}


def name_languages(enricher: TextEnricher, texts: Sequence[str], advance: Advance = silent) -> NamedLanguages:
    """Return the languages that the model assigns to texts."""
    languages = [answer.language for answer in ask(enricher, texts, advance)]
    return NamedLanguages(tuple(each.code for each in languages), tuple(each.score for each in languages))


def language_report(answers: Mapping[str, NamedLanguages], model: ModelInfo) -> LanguageReport:
    """Score the model's answers for the texts of each language."""
    right = {code: np.array([each == code for each in given.codes]) for code, given in answers.items()}
    all_right = np.concatenate(list(right.values()))
    confidence = np.concatenate([given.scores for given in answers.values()])
    return LanguageReport(
        languages={
            code: LanguageScore(
                accuracy=percent(float(right[code].mean())),
                texts=len(given.codes),
                most_confused=_most_confused(code, given.codes),
            )
            for code, given in answers.items()
        },
        mean=MeanAccuracy(accuracy=percent(fmean(float(each.mean()) for each in right.values()))),
        accuracy=percent(float(all_right.mean())),
        ece=fraction(calibration(confidence, all_right).error),
        model=model,
    )


def _texts(path: Path) -> tuple[str, ...]:
    texts = tuple(line for line in read_lines(path) if line.strip())
    if not texts:
        raise EvaluationDataError(f"{path} has no texts")
    return texts


def _most_confused(code: str, answers: Sequence[str]) -> dict[str, int]:
    wrong = Counter(answer for answer in answers if answer != code)
    return dict(sorted(wrong.items(), key=lambda item: (-item[1], item[0]))[:MOST_CONFUSED])
