"""Scores a finished model on the published half of the held-out rows, run in the same way as in the pipeline."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Protocol

import numpy as np
from sklearn.metrics import f1_score

from models.enricher import NO_LANGUAGE, TextEnricher
from models.enrichment import SENTIMENTS
from models.evaluation.answers import ask
from models.evaluation.language import name_languages
from models.evaluation.measures import calibration, fraction, percent
from models.heads import HEADS
from models.training import data as sets
from models.training import domains
from models.training.corpus import is_held_out
from models.training.data import TrainingRow
from models.training.domains import DomainScores
from models.training.targets import Target
from models.training.vectors import Floats, simulate

_LANGUAGES_OF = ("umsab-val", "lingua-held", "fragment-held")
_IN_ENGLISH = "template-held"
_EMOTIONS_OF = "brighter-held"
_LABELS_OF = (
    ("emotions", "support", "goemotions-held"),
    ("acts", "question", "tweet_acts-held"),
    ("acts", "complaint", "complaints-held"),
)
"""Labels, and the set that each is scored on because only its annotators were asked for it."""


class Model(TextEnricher, Protocol):
    """A model that also has vectors."""

    def vectors(self, texts: Sequence[str]) -> Floats: ...


def scores(enricher: Model, rows: Sequence[TrainingRow], target: Target, data: Path) -> dict[str, float]:
    """Return the scores of the published half by name; sets without rows have none.

    F1, accuracy and shares are in per cent, areas under ROC curves and calibration errors are fractions. "Frozen" areas are
    those of the teacher's vectors (`target`) on the same draws; they are included only if the teacher has vectors for all
    rows. The rows of the campaign topics are not held out from the vectors, whose targets are not topics.
    """
    published = [row for row in rows if is_held_out(row) and domains.is_published(row)]
    return (
        _sentiment(enricher, published)
        | _languages(enricher, published)
        | _labels(enricher, published)
        | _campaign(enricher, rows, target, data)
    )


def _sentiment(enricher: Model, rows: Sequence[TrainingRow]) -> dict[str, float]:
    found = domains.of_sentiment(rows, published=True)
    places = np.unique(np.concatenate(list(found.values())))
    predicted, truth = np.full(len(rows), -1), np.full(len(rows), -1)
    answers = ask(enricher, [rows[index].text for index in places.tolist()])
    predicted[places] = [SENTIMENTS.index(answer.sentiment.label) for answer in answers]
    truth[places] = [rows[index].sentiment for index in places.tolist()]
    expected = {}
    if check := enricher.sentiment_check:
        sure = np.zeros(len(rows))
        sure[places] = [check.is_sure(answer.sentiment) for answer in answers]
        errors = [abs(sure[each].mean() - np.mean(predicted[each] == truth[each])) for each in found.values()]
        expected["accuracy to expect, mean error"] = percent(fmean(errors))
    scored = domains.score(found, truth, predicted)
    african = [
        f1_score(truth[each], predicted[each], average="weighted")
        for name, each in found.items()
        if name.startswith("afrisenti ")
    ]
    return {
        "umsab mean macro-F1": percent(_only(scored, "umsab ").mean),
        "afrisenti mean weighted F1": percent(fmean(african)),
        "domains mean macro-F1": percent(scored.mean),
        "domains worst macro-F1": percent(scored.worst),
        "domains mean distance of the negative share": percent(scored.distance),
        **expected,
        **_by_domain(scored),
    }


def _only(scored: DomainScores, prefix: str) -> DomainScores:
    return domains.only(scored, [name for name in scored.domains if name.startswith(prefix)])


def _by_domain(scored: DomainScores) -> dict[str, float]:
    found = {}
    for name, each in scored.domains.items():
        found[f"{name} macro-F1"] = percent(each.macro_f1)
        found[f"{name} called negative"] = percent(each.called_negative)
        found[f"{name} negative"] = percent(each.negative)
    return found


def _languages(enricher: Model, rows: Sequence[TrainingRow]) -> dict[str, float]:
    found = {}
    for source in _LANGUAGES_OF:
        held = _of(rows, source)
        named = name_languages(enricher, [row.text for row in held])
        right = np.array([code == row.language for code, row in zip(named.codes, held, strict=True)])
        found[f"{source} language accuracy"] = percent(float(right.mean()))
        found[f"{source} language {NO_LANGUAGE}"] = percent(named.codes.count(NO_LANGUAGE) / len(held))
        found[f"{source} language calibration error"] = fraction(calibration(np.array(named.scores), right).error)
    english = [row.text for row in _of(rows, _IN_ENGLISH) if row.language == "en"]
    found[f"{_IN_ENGLISH} in English, called English"] = percent(
        name_languages(enricher, english).codes.count("en") / len(english)
    )
    return found | _mixed(enricher, _of(rows, "lingua-held"))


def _mixed(enricher: Model, rows: Sequence[TrainingRow]) -> dict[str, float]:
    """Score texts whose halves are in two languages: how often one of them is detected, and with what score."""
    order = np.random.default_rng(0).permutation(len(rows)).tolist()
    pairs = [(rows[one], rows[other]) for one, other in pairwise(order) if rows[one].language != rows[other].language]
    texts = [f"{one.text[: len(one.text) // 2]} {other.text[len(other.text) // 2 :]}" for one, other in pairs]
    named = name_languages(enricher, texts)
    either = [code in {one.language, other.language} for code, (one, other) in zip(named.codes, pairs, strict=True)]
    return {
        "halves of two languages, one of them named": percent(float(np.mean(either))),
        f"halves of two languages, {NO_LANGUAGE}": percent(named.codes.count(NO_LANGUAGE) / len(texts)),
        "halves of two languages, mean score": fraction(fmean(named.scores)),
    }


def _labels(enricher: Model, rows: Sequence[TrainingRow]) -> dict[str, float]:
    found = {}
    by_language: dict[str | None, list[TrainingRow]] = defaultdict(list)
    for row in _of(rows, _EMOTIONS_OF):
        by_language[row.language].append(row)
    if each := [f1.values() for held in by_language.values() if (f1 := _f1(enricher, held, "emotions"))]:
        found[f"{_EMOTIONS_OF} emotions macro-F1, mean over languages"] = percent(fmean(map(fmean, each)))
    for head, label, source in _LABELS_OF:
        f1 = _f1(enricher, _of(rows, source), head)
        if label in f1:
            found[f"{source} {label} F1"] = percent(f1[label])
    return found


def _f1(enricher: Model, rows: Sequence[TrainingRow], head: str) -> dict[str, float]:
    """Return the F1 (0 to 1) of each label that a row has, over the rows of sets that have the label."""
    answers = ask(enricher, [row.text for row in rows])
    found = {}
    for label in HEADS[head].labels:
        pairs = [
            (label in row.label(head), label in {each.name for each in getattr(answer, head)})
            for row, answer in zip(rows, answers, strict=True)
            if label not in row.unknown
        ]
        if any(present for present, _ in pairs):
            found[label] = float(f1_score(*zip(*pairs, strict=True)))
    return found


def _campaign(enricher: Model, rows: Sequence[TrainingRow], target: Target, data: Path) -> dict[str, float]:
    types = {row.text: row.topics for row in sets.crisislex(data)}
    found = {}
    for source in ("crisis", "x_topic", "sib200-held"):
        indices = [index for index, row in enumerate(rows) if row.source == source]
        held = [rows[index] for index in indices]
        if source == "crisis":
            held = [replace(row, topics=types[row.text]) for row in held]
        ours = np.concatenate([enricher.vectors([row.text for row in part]) for part in _parts(held)])
        found[f"{source} campaign AUC"] = _area(held, ours)
        if target.known[indices].all():
            found[f"{source} campaign AUC, frozen"] = _area(held, target.values[indices].astype(np.float32))
    return found


def _area(rows: Sequence[TrainingRow], vectors: Floats) -> float:
    return fraction(fmean(campaign.area for campaign in simulate(rows, vectors)))


def _of(rows: Iterable[TrainingRow], source: str) -> list[TrainingRow]:
    return [row for row in rows if row.source == source]


def _parts(rows: Sequence[TrainingRow], size: int = 512) -> Iterable[Sequence[TrainingRow]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
