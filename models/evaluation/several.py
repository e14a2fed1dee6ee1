"""Scores labels of which a post may have several or none: topics, emotions and acts of speech."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from msgspec import Struct
from sklearn.metrics import f1_score, precision_score, recall_score

from models.enricher import TextEnricher
from models.evaluation.answers import Advance, ask, silent
from models.evaluation.measures import Flags, fraction

LabelSets = Sequence[frozenset[str]]
"""The labels of each post."""

FlagsByLabel = Mapping[str, tuple[Flags, Flags]]
"""By label, which posts truly have it and which ones the model gave it to."""


@dataclass(frozen=True, slots=True)
class TaggedPosts:
    """Texts and their labels."""

    texts: tuple[str, ...]
    labels: tuple[frozenset[str], ...]


class LabelMeasures(Struct, frozen=True, kw_only=True):
    """Scores (fractions) of one label; `posts` is the number of posts that truly have it."""

    f1: float
    precision: float
    recall: float
    posts: int


def name_labels(
    enricher: TextEnricher, head: str, texts: Sequence[str], advance: Advance = silent
) -> tuple[frozenset[str], ...]:
    """Return the labels that a head of the model assigns to texts."""
    return tuple(frozenset(label.name for label in getattr(answer, head)) for answer in ask(enricher, texts, advance))


def by_label(truth: LabelSets, predicted: LabelSets, labels: Collection[str]) -> FlagsByLabel:
    """Return which posts truly have each label and which ones the model gave it to, sorted by label."""
    return {name: (_having(name, truth), _having(name, predicted)) for name in sorted(labels)}


def micro_f1(flags: FlagsByLabel) -> float:
    """Return the F1 over all pairs of post and label."""
    return fraction(f1_score(*map(np.concatenate, zip(*flags.values(), strict=True)))) if flags else 0.0


def macro_f1(flags: FlagsByLabel) -> float:
    """Return the mean F1 over labels."""
    return fraction(fmean(f1_score(*each) for each in flags.values())) if flags else 0.0


def measures(flags: FlagsByLabel) -> dict[str, LabelMeasures]:
    """Return the scores of each label."""
    return {
        name: LabelMeasures(
            f1=fraction(f1_score(having, given)),
            precision=fraction(precision_score(having, given, zero_division=0)),
            recall=fraction(recall_score(having, given, zero_division=0)),
            posts=int(having.sum()),
        )
        for name, (having, given) in flags.items()
    }


def _having(name: str, posts: LabelSets) -> Flags:
    return np.array([name in labels for labels in posts], np.bool_)
