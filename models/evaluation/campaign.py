"""Evaluates campaign topics on a table of posts, most of which may belong to none of the topics."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from msgspec import Struct
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from models.campaign import CampaignTopic
from models.enricher import Enricher
from models.enrichment import CampaignScore, ModelInfo
from models.errors import EvaluationDataError
from models.evaluation.answers import CHUNK, Advance, ask, silent
from models.evaluation.measures import Floats, Labels, auc, fraction
from models.evaluation.reading import read_text


@dataclass(frozen=True, slots=True)
class CampaignPosts:
    """Texts and their labels; a label that is not the name of a topic means no topic."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CampaignAnswers:
    """The model's answers for posts.

    Attributes:
        names: The topic assigned to each post, or None.
        scores: Score of each topic (posts x topics).
    """

    names: tuple[str | None, ...]
    scores: Floats


class CampaignTopicScore(Struct, frozen=True, kw_only=True):
    """Scores (fractions) of one topic against the rest; `auc` is null if no post or every post has the topic."""

    precision: float
    recall: float
    f1: float
    auc: float | None
    posts: int


class CampaignReport(Struct, frozen=True, kw_only=True):
    """The report printed by `eval campaign --json`; all scores are fractions.

    Attributes:
        accuracy: Share of posts with a correct answer, which may be "no topic".
        macro_f1: Mean F1 over the topics that occur in the labels or the answers.
        macro_f1_with_none: The same with "no topic" as an additional class.
        mean_auc: Mean AUC over the topics that have one.
        any_auc: AUC of posts with any topic against the others, by the highest score.
        coverage: Share of posts that were assigned a topic.
    """

    task: str = "campaign"
    topics: dict[str, CampaignTopicScore]
    accuracy: float
    macro_f1: float
    macro_f1_with_none: float
    mean_auc: float | None
    any_auc: float | None
    coverage: float
    posts: int
    model: ModelInfo


def read_campaign_posts(path: Path, text_column: str, label_column: str) -> CampaignPosts:
    """Read two columns of a CSV or TSV file with a header; the delimiter is a tab if the header contains one.

    Raises:
        EvaluationDataError: If the file cannot be read, lacks a column or a cell, or has no rows.
    """
    rows = _rows(path)
    _, header = next(rows, (1, []))
    columns = [cell.strip() for cell in header]
    if missing := [name for name in (text_column, label_column) if name.strip() not in columns]:
        raise EvaluationDataError(
            f"{path}:1: no column {' or '.join(map(repr, missing))}; the columns are {', '.join(map(repr, columns))}"
        )
    text_index, label_index = (columns.index(name.strip()) for name in (text_column, label_column))
    texts: list[str] = []
    labels: list[str] = []
    for line, row in rows:
        if len(row) <= max(text_index, label_index):
            raise EvaluationDataError(f"{path}:{line}: {len(row)} cells, but the header has {len(columns)}")
        texts.append(row[text_index])
        labels.append(row[label_index].strip())
    if not texts:
        raise EvaluationDataError(f"{path} has no rows below its header")
    return CampaignPosts(tuple(texts), tuple(labels))


def match_topics(
    enricher: Enricher, topics: Sequence[CampaignTopic], texts: Sequence[str], advance: Advance = silent
) -> CampaignAnswers:
    """Return the campaign topics and scores of texts; `enricher` must be loaded with `topics`."""
    given: list[CampaignScore] = []
    for start in range(0, len(texts), CHUNK):
        chunk = texts[start : start + CHUNK]
        given += [answer.campaign for answer in ask(enricher, chunk)]
        advance(len(chunk))
    scores = [[each.scores[topic.name] for topic in topics] for each in given]
    return CampaignAnswers(tuple(each.name for each in given), np.array(scores))


def campaign_report(
    names: Sequence[str], labels: Sequence[str], answers: CampaignAnswers, model: ModelInfo
) -> CampaignReport:
    """Score the answers for posts with these labels; `names` are the topics, in column order of `answers.scores`."""
    none = len(names)
    indices = {name: index for index, name in enumerate(names)}
    truth = np.array([indices.get(label, none) for label in labels], np.int64)
    given = np.array([none if name is None else indices[name] for name in answers.names], np.int64)
    each = precision_recall_fscore_support(truth, given, labels=range(none), average=None, zero_division=0)
    areas = [auc(answers.scores[:, index], truth == index) for index in range(none)]
    any_area = auc(answers.scores.max(axis=1), truth != none)
    occurring = np.union1d(truth, given)

    def macro_f1(labels: Labels) -> float:
        return fraction(f1_score(truth, given, labels=labels, average="macro")) if len(labels) else 0.0

    return CampaignReport(
        topics={
            name: CampaignTopicScore(
                precision=fraction(precision),
                recall=fraction(recall),
                f1=fraction(f1),
                auc=None if area is None else fraction(area),
                posts=int(posts),
            )
            for name, precision, recall, f1, posts, area in zip(names, *each, areas, strict=True)
        },
        accuracy=fraction(accuracy_score(truth, given)),
        macro_f1=macro_f1(occurring[occurring != none]),
        macro_f1_with_none=macro_f1(occurring),
        mean_auc=fraction(fmean(known)) if (known := [area for area in areas if area is not None]) else None,
        any_auc=None if any_area is None else fraction(any_area),
        coverage=fraction((given != none).mean()),
        posts=len(labels),
        model=model,
    )


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield each non-blank row with the number of its last line."""
    text = read_text(path)
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise EvaluationDataError(f"{path}:{reader.line_num}: {error}") from error
