"""Scores a finished model on held-out rows, run in the same way as in the pipeline."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import numpy as np

from models.enricher import NO_LANGUAGE, Enricher
from models.evaluation.language import name_languages
from models.evaluation.measures import calibration, fraction, percent
from models.evaluation.sentiment import LabelledPosts, SentimentScore, score_sentiment
from models.training import data as sets
from models.training.data import TrainingRow
from models.training.targets import Target
from models.training.vectors import Floats, simulate


def scores(enricher: Enricher, rows: Sequence[TrainingRow], target: Target, data: Path) -> dict[str, float]:
    """Return the scores that no other command reports.

    F1, recall and accuracy are in per cent, areas under ROC curves are fractions. "Frozen" areas are those of the
    teacher's vectors (`target`) on the same draws; they are included only if the teacher has vectors for all rows.
    """
    return _sentiment(enricher, rows, data) | _languages(enricher, rows) | _campaign(enricher, rows, target, data)


def _sentiment(enricher: Enricher, rows: Sequence[TrainingRow], data: Path) -> dict[str, float]:
    african = [_score(enricher, sets.afrisenti(data, "dev", [folder])) for folder in sets.AFRISENTI_LANGUAGES]
    hinglish, english = (_score(enricher, _of(rows, source)) for source in ("hinglish-held", "semeval-held"))
    return {
        "hinglish-held macro recall of negative and positive": hinglish.macro_recall,
        "semeval-held macro recall": english.macro_recall,
        "afrisenti-dev mean weighted F1": round(fmean(each.weighted_f1 for each in african), 2),
    }


def _languages(enricher: Enricher, rows: Sequence[TrainingRow]) -> dict[str, float]:
    found = {}
    for source in ("umsab-val", "lingua-held", "fragment-held"):
        held = list(_of(rows, source))
        named = name_languages(enricher, [row.text for row in held])
        right = np.array([code == row.language for code, row in zip(named.codes, held, strict=True)])
        found[f"{source} language accuracy"] = percent(float(right.mean()))
        found[f"{source} language {NO_LANGUAGE}"] = percent(named.codes.count(NO_LANGUAGE) / len(held))
        found[f"{source} language calibration error"] = fraction(calibration(np.array(named.scores), right).error)
    return found | _mixed(enricher, list(_of(rows, "lingua-held")))


def _mixed(enricher: Enricher, rows: Sequence[TrainingRow]) -> dict[str, float]:
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


def _campaign(enricher: Enricher, rows: Sequence[TrainingRow], target: Target, data: Path) -> dict[str, float]:
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


def _of(rows: Iterable[TrainingRow], source: str) -> Iterable[TrainingRow]:
    return (row for row in rows if row.source == source)


def _parts(rows: Sequence[TrainingRow], size: int = 512) -> Iterable[Sequence[TrainingRow]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _score(enricher: Enricher, rows: Iterable[TrainingRow]) -> SentimentScore:
    labelled = [(row.text, row.sentiment) for row in rows if row.sentiment is not None]
    texts, labels = zip(*labelled, strict=True)
    return score_sentiment(enricher, LabelledPosts(texts, np.array(labels)))
