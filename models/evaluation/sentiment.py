"""Evaluates sentiment on folders or tables of labelled posts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from sklearn.metrics import confusion_matrix, f1_score, recall_score

from models.enricher import TextEnricher
from models.enrichment import SENTIMENTS, ModelInfo, Sentiment
from models.errors import EvaluationDataError
from models.evaluation.answers import Advance, ask, silent
from models.evaluation.measures import Calibration, Floats, Labels, calibration, fraction, percent
from models.evaluation.reading import LabelledRow, by_language, read_lines, read_table

_NEGATIVE = SENTIMENTS.index("negative")


@dataclass(frozen=True, slots=True)
class LabelledPosts:
    """Texts and their sentiments (0 negative, 1 neutral, 2 positive)."""

    texts: tuple[str, ...]
    labels: Labels


@dataclass(frozen=True, slots=True)
class SentimentDomain:
    """The posts of one folder, or of one language of a table, and their entry in the report: that folder or language."""

    entry: str
    posts: LabelledPosts


@dataclass(frozen=True, slots=True)
class JudgedPosts:
    """True and predicted labels of posts (posts), and the model's probabilities (posts x 3)."""

    truth: Labels
    predicted: Labels
    probabilities: Floats

    @property
    def confusion(self) -> Labels:
        """Counts of posts by true (row) and predicted sentiment (column), 3 x 3."""
        return np.asarray(confusion_matrix(self.truth, self.predicted, labels=range(len(SENTIMENTS))))

    @property
    def calibration(self) -> Calibration:
        """Calibration of the probabilities of the answers."""
        return calibration(self.probabilities.max(axis=1), self.predicted == self.truth)

    @property
    def posts(self) -> int:
        """Number of posts."""
        return len(self.truth)


class SentimentScore(Struct, frozen=True, kw_only=True):
    """Scores of one folder or of all folders; F1 and recall are in per cent.

    Attributes:
        macro_f1: Mean F1 of the labels that occur as true labels; of two if no post is neutral, for example.
        macro_recall: Mean recall of the labels that occur as true labels.
        ece: Expected calibration error as a fraction, from 15 bins of the probability of the answer.
        confusion: Posts by true (row) and predicted sentiment (column), in the order negative, neutral, positive.
        called_negative: Share of posts that the model calls negative, as a fraction.
        negative: Share of posts that people call negative, as a fraction.
    """

    macro_f1: float
    macro_recall: float
    weighted_f1: float
    ece: float
    confusion: list[list[int]]
    called_negative: float
    negative: float
    posts: int


class SentimentReport(Struct, frozen=True, kw_only=True):
    """The report printed by `eval sentiment --json`; `languages` has a score for each folder, or language of a table.

    The F1 and recall in `mean` are averages over these; its other numbers, and those at the top level, are of all posts
    together. `split` is null for a table.
    """

    task: str = "sentiment"
    split: str | None
    languages: dict[str, SentimentScore]
    mean: SentimentScore
    ece: float
    confusion: list[list[int]]
    called_negative: float
    negative: float
    model: ModelInfo


def read_sentiment(folder: Path, split: str) -> dict[str, LabelledPosts]:
    """Read `{split}_text.txt` and `{split}_labels.txt` in a folder, or in each of its subfolders, by folder name.

    Raises:
        EvaluationDataError: If there are no such files, or texts and labels do not match.
    """
    if not folder.is_dir():
        raise EvaluationDataError(f"{folder} is not a folder")
    candidates = [folder] if (folder / f"{split}_text.txt").is_file() else sorted(folder.iterdir())
    found = {each.resolve().name: _read(each, split) for each in candidates if (each / f"{split}_text.txt").is_file()}
    if not found:
        raise EvaluationDataError(f"neither {folder} nor a folder in it has a {split}_text.txt")
    return found


def read_sentiment_table(path: Path) -> dict[str, LabelledPosts]:
    """Read posts with the labels negative, neutral and positive, by language.

    Raises:
        EvaluationDataError: If the file is not a table of labelled posts, or has another label.
    """
    return {
        language: LabelledPosts(tuple(row.text for row in rows), np.array([_named(row) for row in rows], np.int64))
        for language, rows in by_language(read_table(path)).items()
    }


def read_domains(paths: Iterable[Path], split: str) -> dict[str, SentimentDomain]:
    """Read folders and tables as `read_sentiment` and `read_sentiment_table` do.

    A domain is named after its folder or file, and after the subfolder or language in it.

    Raises:
        EvaluationDataError: As these do, or if two domains have the same name.
    """
    domains: dict[str, SentimentDomain] = {}
    for path in paths:
        in_table = path.is_file()
        source = path.stem if in_table else path.resolve().name
        for entry, posts in (read_sentiment_table(path) if in_table else read_sentiment(path, split)).items():
            name = source if entry == source else f"{source} {entry}"
            if name in domains:
                raise EvaluationDataError(f"{path}: the name {name} occurs twice: rename the file or the folder")
            domains[name] = SentimentDomain(entry, posts)
    return domains


def judge(enricher: TextEnricher, posts: LabelledPosts, advance: Advance = silent) -> JudgedPosts:
    """Return the true sentiments of posts together with the model's answers."""
    sentiments = [answer.sentiment for answer in ask(enricher, posts.texts, advance)]
    return JudgedPosts(
        posts.labels,
        np.array([SENTIMENTS.index(each.label) for each in sentiments], np.int64),
        probabilities(sentiments),
    )


def probabilities(sentiments: Iterable[Sentiment]) -> Floats:
    """Return the probabilities of the sentiments (posts x 3), in the order of `SENTIMENTS`."""
    return np.array([(each.negative, each.neutral, each.positive) for each in sentiments], np.float64)


def pooled(folders: Iterable[JudgedPosts]) -> JudgedPosts:
    """Return the posts of several folders as if they were in one."""
    columns = zip(*((each.truth, each.predicted, each.probabilities) for each in folders), strict=True)
    truth, predicted, probabilities = (np.concatenate(column) for column in columns)
    return JudgedPosts(truth, predicted, probabilities)


def score(judged: JudgedPosts) -> SentimentScore:
    """Score the posts of one folder or language."""
    truth, predicted = judged.truth, judged.predicted
    occurring = np.unique(truth)
    return SentimentScore(
        macro_f1=percent(f1_score(truth, predicted, labels=occurring, average="macro")),
        macro_recall=percent(recall_score(truth, predicted, labels=occurring, average="macro")),
        weighted_f1=percent(f1_score(truth, predicted, average="weighted")),
        ece=fraction(judged.calibration.error),
        confusion=judged.confusion.tolist(),
        called_negative=fraction((predicted == _NEGATIVE).mean()),
        negative=fraction((truth == _NEGATIVE).mean()),
        posts=judged.posts,
    )


def score_sentiment(enricher: TextEnricher, posts: LabelledPosts) -> SentimentScore:
    """Return the model's score on labelled posts."""
    return score(judge(enricher, posts))


def sentiment_report(folders: Mapping[str, JudgedPosts], split: str | None, model: ModelInfo) -> SentimentReport:
    """Score each folder or language, and all together."""
    scores = {name: score(judged) for name, judged in folders.items()}
    together = score(pooled(folders.values()))
    mean = replace(
        together,
        macro_f1=round(fmean(each.macro_f1 for each in scores.values()), 2),
        macro_recall=round(fmean(each.macro_recall for each in scores.values()), 2),
        weighted_f1=round(fmean(each.weighted_f1 for each in scores.values()), 2),
    )
    return SentimentReport(
        split=split,
        languages=scores,
        mean=mean,
        ece=together.ece,
        confusion=together.confusion,
        called_negative=together.called_negative,
        negative=together.negative,
        model=model,
    )


def _read(folder: Path, split: str) -> LabelledPosts:
    text_path, label_path = folder / f"{split}_text.txt", folder / f"{split}_labels.txt"
    texts = read_lines(text_path)
    labels = [_label(label_path, number, line) for number, line in enumerate(read_lines(label_path), start=1)]
    if len(texts) != len(labels):
        raise EvaluationDataError(
            f"{text_path} has {len(texts)} lines, but {label_path} has {len(labels)}: one label per text is needed"
        )
    if not texts:
        raise EvaluationDataError(f"{text_path} is empty")
    return LabelledPosts(tuple(texts), np.array(labels, np.int64))


def _named(row: LabelledRow) -> int:
    if row.label not in SENTIMENTS:
        raise EvaluationDataError(f"{row.location}: a label must be one of {', '.join(SENTIMENTS)}, not {row.label!r}")
    return SENTIMENTS.index(row.label)


def _label(path: Path, number: int, line: str) -> int:
    if line.strip() not in {"0", "1", "2"}:
        raise EvaluationDataError(f"{path}:{number}: a label must be 0, 1 or 2, not {line!r}")
    return int(line)
