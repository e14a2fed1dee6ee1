"""Evaluates emotions and acts of speech on a table of posts with their languages and labels."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
from msgspec import Struct

from models.enrichment import ModelInfo
from models.errors import EvaluationDataError
from models.evaluation.measures import fraction
from models.evaluation.reading import LabelledRow, by_language, read_table
from models.evaluation.several import LabelMeasures, TaggedPosts, by_label, macro_f1, measures, micro_f1

_NO_LABEL = frozenset({"", "none", "neutral", "other", "others"})


class LabelledLanguageScore(Struct, frozen=True, kw_only=True):
    """F1 (fractions) of one language, over all pairs of post and label (micro) and averaged over labels (macro)."""

    macro_f1: float
    micro_f1: float
    posts: int


class LabelReport(Struct, frozen=True, kw_only=True):
    """The report printed by `eval emotion --json` and `eval act --json`; all scores are fractions.

    Attributes:
        macro_f1: Mean F1 over labels, of all posts together.
        micro_f1: F1 over all pairs of post and label, of all posts together.
        mean: Mean macro-F1 over languages.

    A label that no post of a language has is not scored in that language: nobody was asked for it. A language whose posts
    have no label at all is not scored.
    """

    task: str
    macro_f1: float
    micro_f1: float
    languages: dict[str, LabelledLanguageScore]
    mean: float
    labels: dict[str, LabelMeasures]
    model: ModelInfo


def read_tagged(path: Path, known: Collection[str]) -> dict[str, TaggedPosts]:
    """Read posts by language; several labels are separated by commas.

    The labels `none`, `neutral`, `other` and `others`, and an empty one, mean none.

    Raises:
        EvaluationDataError: If the file is not such a table, a label is not in `known`, or no post has a label.
    """
    found = {
        language: TaggedPosts(tuple(row.text for row in rows), tuple(_labels(row, known) for row in rows))
        for language, rows in by_language(read_table(path)).items()
    }
    if scored := {language: posts for language, posts in found.items() if any(posts.labels)}:
        return scored
    raise EvaluationDataError(f"{path}: no row has one of the labels {', '.join(known)}")


def label_report(
    task: str, truth: Mapping[str, TaggedPosts], predicted: Mapping[str, Sequence[frozenset[str]]], model: ModelInfo
) -> LabelReport:
    """Score the labels that the model assigned to the posts of each language."""
    languages = {
        language: by_label(posts.labels, predicted[language], frozenset().union(*posts.labels))
        for language, posts in truth.items()
    }
    names = sorted(frozenset().union(*languages.values()))
    sides = {name: zip(*(each[name] for each in languages.values() if name in each), strict=True) for name in names}
    together = {name: (np.concatenate(having), np.concatenate(given)) for name, (having, given) in sides.items()}
    scores = {
        language: LabelledLanguageScore(
            macro_f1=macro_f1(flags), micro_f1=micro_f1(flags), posts=len(truth[language].texts)
        )
        for language, flags in languages.items()
    }
    return LabelReport(
        task=task,
        macro_f1=macro_f1(together),
        micro_f1=micro_f1(together),
        languages=scores,
        mean=fraction(fmean(each.macro_f1 for each in scores.values())),
        labels=measures(together),
        model=model,
    )


def _labels(row: LabelledRow, known: Collection[str]) -> frozenset[str]:
    labels = {label.strip() for label in row.label.split(",")} - _NO_LABEL
    if unknown := sorted(labels - set(known)):
        raise EvaluationDataError(
            f"{row.location}: the model does not have the label {', '.join(map(repr, unknown))}; "
            f"it has {', '.join(known)}, and none means no label"
        )
    return frozenset(labels)
