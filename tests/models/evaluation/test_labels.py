from pathlib import Path

import pytest

from models.enrichment import ACTS, EMOTIONS
from models.errors import EvaluationDataError
from models.evaluation import label_report, name_labels, read_tagged
from models.evaluation.several import TaggedPosts
from tests.helpers.scripted_model import MODEL, ScriptedEnricher, answer

NONE = frozenset[str]()


def tagged(*labels: str) -> TaggedPosts:
    return TaggedPosts(("x",) * len(labels), tuple(frozenset(each.split()) for each in labels))


def sets(*labels: str) -> tuple[frozenset[str], ...]:
    return tagged(*labels).labels


def test_reads_several_labels_and_none_by_language(tmp_path: Path) -> None:
    rows = ("en\tjoy, support\tthanks", "de\tanger\tgrr", "en\tnone\tten", "en\tneutral,fear\teek", "fr\t\tdix")
    (tmp_path / "emotions.tsv").write_text("\n".join(("lang\tlabel\ttext", *rows)), "utf-8")
    assert read_tagged(tmp_path / "emotions.tsv", EMOTIONS) == {
        "de": TaggedPosts(("grr",), (frozenset({"anger"}),)),
        "en": TaggedPosts(("thanks", "ten", "eek"), (frozenset({"joy", "support"}), NONE, frozenset({"fear"}))),
    }, "French has no label to score"


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("joy,happy", r"acts\.tsv:2: the model does not have the label 'happy', 'joy'; it has question, request, "),
        ("Question", r"acts\.tsv:2: the model does not have the label 'Question'"),
        ("none", r"acts\.tsv: no row has one of the labels question, request, "),
    ],
)
def test_labels_that_cannot_be_scored_are_errors(tmp_path: Path, label: str, message: str) -> None:
    (tmp_path / "acts.tsv").write_text(f"lang\tlabel\ttext\nen\t{label}\tx", "utf-8")
    with pytest.raises(EvaluationDataError, match=message):
        read_tagged(tmp_path / "acts.tsv", ACTS)


def test_the_answers_of_a_head_are_asked_for() -> None:
    model = ScriptedEnricher({"yes": answer(emotions=["joy"], acts=["thanks"], topics=["music"])})
    assert name_labels(model, "emotions", ["yes", "no"]) == sets("joy", "")
    assert name_labels(model, "acts", ["no", "yes"]) == sets("", "thanks")


def test_scores_by_language_by_label_and_over_all() -> None:
    truth = {"de": tagged("anger", "anger", ""), "en": tagged("joy", "joy anger", "", "")}
    given = {"de": sets("anger", "joy", "joy"), "en": sets("joy", "joy", "joy", "fear")}
    report = label_report("emotion", truth, given, MODEL)
    german, english = report.languages["de"], report.languages["en"]
    assert (german.macro_f1, german.micro_f1, german.posts) == (0.6667, 0.6667, 3), "only anger is scored in German"
    assert (english.macro_f1, english.micro_f1) == (0.4, round(2 * 2 / (2 * 2 + 1 + 1), 4))
    assert report.mean == pytest.approx((2 / 3 + 0.4) / 2, abs=1e-4)
    assert list(report.labels) == ["anger", "joy"], "nobody was asked for fear"
    anger, joy = report.labels["anger"], report.labels["joy"]
    assert (anger.precision, anger.recall, anger.f1, anger.posts) == (1.0, 0.3333, 0.5, 3)
    assert (joy.precision, joy.recall, joy.f1, joy.posts) == (0.6667, 1.0, 0.8, 2)
    assert report.macro_f1 == 0.65
    assert report.micro_f1 == pytest.approx(2 * 3 / (2 * 3 + 1 + 2), abs=1e-4)
    assert (report.task, report.model) == ("emotion", MODEL)
