from collections.abc import Sequence

import pytest
from rich.console import Console, RenderableType

from models.enrichment import ModelInfo
from models.evaluation import AgreementReport, CampaignReport, LanguageReport, SentimentReport, SentimentScore, tables
from models.evaluation.agreement import BackendAgreement
from models.evaluation.campaign import CampaignTopicScore
from models.evaluation.labels import LabelledLanguageScore, LabelReport
from models.evaluation.language import LanguageScore, MeanAccuracy
from models.evaluation.several import LabelMeasures
from models.evaluation.topic import TopicFileScore, TopicReport
from tests.helpers.scripted_model import MODEL

MARKED = "[red]en[/]"
"""A name that would be markup if it were not escaped."""


def rows(shown: Sequence[RenderableType]) -> list[list[str]]:
    """Return the cells of each line with cells, including headers; empty cells at the end of a line are kept."""
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(*shown)
    lines = capture.get().replace("┃", "│").splitlines()
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if "│" in line]


def score(macro_f1: float, posts: int) -> SentimentScore:
    return SentimentScore(
        macro_f1=macro_f1,
        macro_recall=70.5,
        weighted_f1=80,
        ece=0.0123,
        confusion=[[0] * 3] * 3,
        called_negative=0.5,
        negative=0.25,
        posts=posts,
    )


@pytest.mark.parametrize(("split", "entry"), [("val", "folder"), (None, "language")])
def test_sentiment(split: str | None, entry: str) -> None:
    report = SentimentReport(
        split=split,
        languages={MARKED: score(66.666, 1_234)},
        mean=score(50, 5_678),
        ece=0.0123,
        confusion=[[1_000, 2, 3], [4, 5, 6], [7, 8, 9]],
        called_negative=0.5,
        negative=0.25,
        model=MODEL,
    )
    assert rows(tables.sentiment_tables(report)) == [
        [entry, "macro-F1", "macro recall", "weighted F1", "ECE", "called negative", "negative", "posts"],
        [MARKED, "66.67", "70.50", "80.00", "0.0123", "0.5000", "0.2500", "1,234"],
        ["mean", "50.00", "70.50", "80.00", "0.0123", "0.5000", "0.2500", "5,678"],
        ["true \\ predicted", "negative", "neutral", "positive"],
        ["negative", "1,000", "2", "3"],
        ["neutral", "4", "5", "6"],
        ["positive", "7", "8", "9"],
    ]


def test_language() -> None:
    report = LanguageReport(
        languages={
            MARKED: LanguageScore(accuracy=87.5, texts=1_000, most_confused={"de": 100, "[b]": 25}),
            "sv": LanguageScore(accuracy=100, texts=8, most_confused={}),
        },
        mean=MeanAccuracy(accuracy=93.75),
        accuracy=87.6,
        ece=0.05,
        model=MODEL,
    )
    assert rows(tables.language_tables(report)) == [
        ["language", "accuracy", "texts", "confused with"],
        [MARKED, "87.50", "1,000", "de 100, [b] 25"],
        ["sv", "100.00", "8", ""],
        ["mean", "93.75", "", ""],
        ["all texts", "87.60", "1,008", "ECE 0.0500"],
    ]


def test_agreement() -> None:
    same = BackendAgreement(sentiment=1, language=1, topics=1, topic_labels=1, largest_difference=0)
    near = BackendAgreement(sentiment=0.99, language=0.98, topics=0.97, topic_labels=0.96, largest_difference=0.1)
    reference = ModelInfo(name="ours", version="2", runtime="openvino", precision="f32")
    report = AgreementReport(posts=3_000, exact=near, alone=same, model=MODEL, reference=reference)
    assert rows(tables.agreement_tables(report)) == [
        ["with", "sentiment", "language", "topics", "topic labels", "largest difference", "posts"],
        ["openvino f32", "0.9900", "0.9800", "0.9700", "0.9600", "0.1000", "3,000"],
        ["itself, alone", "1.0000", "1.0000", "1.0000", "1.0000", "0.0000", "3,000"],
    ]


def test_topic() -> None:
    report = TopicReport(
        files={
            "en": TopicFileScore(micro_f1=0.5, macro_f1=0.25, posts=1_000),
            MARKED: TopicFileScore(micro_f1=0.75, macro_f1=0.7, posts=500),
        },
        micro_f1=0.6,
        macro_f1=0.55,
        topics={"music": LabelMeasures(f1=0.8, precision=0.9, recall=0.72, posts=40)},
        model=MODEL,
    )
    assert rows(tables.topic_tables(report)) == [
        ["file", "micro-F1", "macro-F1", "posts"],
        ["en", "0.5000", "0.2500", "1,000"],
        [MARKED, "0.7500", "0.7000", "500"],
        ["all", "0.6000", "0.5500", "1,500"],
        ["topic", "F1", "precision", "recall", "posts"],
        ["music", "0.8000", "0.9000", "0.7200", "40"],
    ]


def test_labels() -> None:
    report = LabelReport(
        task="emotion",
        macro_f1=0.55,
        micro_f1=0.6,
        languages={MARKED: LabelledLanguageScore(macro_f1=0.25, micro_f1=0.5, posts=1_000)},
        mean=0.25,
        labels={"joy": LabelMeasures(f1=0.8, precision=0.9, recall=0.72, posts=40)},
        model=MODEL,
    )
    assert rows(tables.label_tables(report)) == [
        ["language", "macro-F1", "micro-F1", "posts"],
        [MARKED, "0.2500", "0.5000", "1,000"],
        ["mean", "0.2500", "", ""],
        ["all", "0.5500", "0.6000", "1,000"],
        ["emotion", "F1", "precision", "recall", "posts"],
        ["joy", "0.8000", "0.9000", "0.7200", "40"],
    ]


def test_campaign() -> None:
    report = CampaignReport(
        topics={MARKED: CampaignTopicScore(precision=0.5, recall=0.25, f1=0.3333, auc=None, posts=2)},
        accuracy=0.9,
        macro_f1=0.8,
        macro_f1_with_none=0.7,
        mean_auc=None,
        any_auc=0.6,
        coverage=0.5,
        posts=1_000,
        model=MODEL,
    )
    assert rows(tables.campaign_tables(report)) == [
        ["topic", "F1", "precision", "recall", "AUC", "posts"],
        [MARKED, "0.3333", "0.5000", "0.2500", "", "2"],
        ["overall", ""],
        ["accuracy, including no topic", "0.9000"],
        ["macro-F1 over the topics", "0.8000"],
        ["macro-F1 including no topic", "0.7000"],
        ["mean AUC, one topic against the rest", ""],
        ["AUC, any topic against none", "0.6000"],
        ["coverage, posts with an assigned topic", "0.5000"],
        ["posts", "1,000"],
    ]


@pytest.mark.parametrize("name", ["scripted", "[red]scripted[/]"])
def test_the_title_names_the_model(name: str) -> None:
    model = ModelInfo(name=name, version="1.2.3")
    report = TopicReport(files={}, micro_f1=0, macro_f1=0, topics={}, model=model)
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(*tables.topic_tables(report))
    assert f"Topics: {name} 1.2.3" in capture.get()
