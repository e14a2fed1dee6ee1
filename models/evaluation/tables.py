"""Renders reports as tables for the terminal. Names come from files and are escaped."""

from collections.abc import Mapping

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from models.enrichment import SENTIMENTS, ModelInfo
from models.evaluation.agreement import AgreementReport
from models.evaluation.campaign import CampaignReport
from models.evaluation.labels import LabelReport
from models.evaluation.language import LanguageReport
from models.evaluation.sentiment import SentimentReport, SentimentScore
from models.evaluation.several import LabelMeasures
from models.evaluation.topic import TopicReport


def sentiment_tables(report: SentimentReport) -> list[RenderableType]:
    """Return the tables of scores by folder or language, and of the confusion matrix."""
    columns = ("macro-F1", "macro recall", "weighted F1", "ECE", "called negative", "negative", "posts")
    scores = (
        _table(f"Sentiment, {report.split}", report.model, "folder", *columns)
        if report.split
        else _table("Sentiment", report.model, "language", *columns)
    )
    for name, score in report.languages.items():
        scores.add_row(escape(name), *_sentiment_cells(score))
    scores.add_section()
    scores.add_row("mean", *_sentiment_cells(report.mean))
    scores.caption = "last row: F1 and recall are means, the others are of all posts together"
    confused = Table("true \\ predicted", *SENTIMENTS, title="Posts")
    for label, counts in zip(SENTIMENTS, report.confusion, strict=True):
        confused.add_row(label, *(f"{count:,}" for count in counts))
    return [scores, _numeric(confused)]


def language_tables(report: LanguageReport) -> list[RenderableType]:
    """Return the table of accuracy by language, with the most common mistakes."""
    table = _table("Language", report.model, "language", "accuracy", "texts", "confused with")
    for code, score in report.languages.items():
        wrong = ", ".join(f"{escape(other)} {count}" for other, count in score.most_confused.items())
        table.add_row(escape(code), f"{score.accuracy:.2f}", f"{score.texts:,}", wrong)
    table.add_section()
    table.add_row("mean", f"{report.mean.accuracy:.2f}")
    texts = sum(score.texts for score in report.languages.values())
    table.add_row("all texts", f"{report.accuracy:.2f}", f"{texts:,}", f"ECE {report.ece:.4f}")
    table.columns[-1].justify = "left"
    return [table]


def agreement_tables(report: AgreementReport) -> list[RenderableType]:
    """Return the table of agreement."""
    table = _table(
        "Agreement",
        report.model,
        "with",
        "sentiment",
        "language",
        "topics",
        "topic labels",
        "largest difference",
        "posts",
    )
    table.columns[0].no_wrap = True
    precise = f"{report.reference.runtime} {report.reference.precision}"
    for name, each in ((escape(precise), report.exact), ("itself, alone", report.alone)):
        cells = (
            f"{value:.4f}"
            for value in (each.sentiment, each.language, each.topics, each.topic_labels, each.largest_difference)
        )
        table.add_row(name, *cells, f"{report.posts:,}")
    return [table]


def topic_tables(report: TopicReport) -> list[RenderableType]:
    """Return the tables of F1 by file and by topic."""
    files = _table("Topics", report.model, "file", "micro-F1", "macro-F1", "posts")
    for name, file in report.files.items():
        files.add_row(escape(name), f"{file.micro_f1:.4f}", f"{file.macro_f1:.4f}", f"{file.posts:,}")
    files.add_section()
    posts = sum(file.posts for file in report.files.values())
    files.add_row("all", f"{report.micro_f1:.4f}", f"{report.macro_f1:.4f}", f"{posts:,}")
    return [files, _by_label("topic", report.topics)]


def label_tables(report: LabelReport) -> list[RenderableType]:
    """Return the tables of F1 by language and by label."""
    languages = _table(report.task.capitalize(), report.model, "language", "macro-F1", "micro-F1", "posts")
    for code, score in report.languages.items():
        languages.add_row(escape(code), f"{score.macro_f1:.4f}", f"{score.micro_f1:.4f}", f"{score.posts:,}")
    languages.add_section()
    languages.add_row("mean", f"{report.mean:.4f}")
    posts = sum(score.posts for score in report.languages.values())
    languages.add_row("all", f"{report.macro_f1:.4f}", f"{report.micro_f1:.4f}", f"{posts:,}")
    languages.caption = "labels that no post of a language has are not scored in it"
    return [languages, _by_label(report.task, report.labels)]


def campaign_tables(report: CampaignReport) -> list[RenderableType]:
    """Return the tables of scores by campaign topic and overall."""
    topics = _table("Campaign topics", report.model, "topic", "F1", "precision", "recall", "AUC", "posts")
    for name, topic in report.topics.items():
        cells = (_share(each) for each in (topic.f1, topic.precision, topic.recall, topic.auc))
        topics.add_row(escape(name), *cells, f"{topic.posts:,}")
    summary = Table("overall", "")
    for measure, share in (
        ("accuracy, including no topic", report.accuracy),
        ("macro-F1 over the topics", report.macro_f1),
        ("macro-F1 including no topic", report.macro_f1_with_none),
        ("mean AUC, one topic against the rest", report.mean_auc),
        ("AUC, any topic against none", report.any_auc),
        ("coverage, posts with an assigned topic", report.coverage),
    ):
        summary.add_row(measure, _share(share))
    summary.add_row("posts", f"{report.posts:,}")
    return [topics, _numeric(summary)]


def _by_label(title: str, labels: Mapping[str, LabelMeasures]) -> Table:
    table = Table(title, "F1", "precision", "recall", "posts")
    for name, label in labels.items():
        cells = (f"{each:.4f}" for each in (label.f1, label.precision, label.recall))
        table.add_row(escape(name), *cells, f"{label.posts:,}")
    return _numeric(table)


def _sentiment_cells(score: SentimentScore) -> list[str]:
    percents = (score.macro_f1, score.macro_recall, score.weighted_f1)
    fractions = (score.ece, score.called_negative, score.negative)
    return [*(f"{each:.2f}" for each in percents), *(f"{each:.4f}" for each in fractions), f"{score.posts:,}"]


def _table(title: str, model: ModelInfo, *columns: str) -> Table:
    return _numeric(Table(*columns, title=escape(f"{title}: {model.name} {model.version}")))


def _numeric(table: Table) -> Table:
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.4f}"
