from collections.abc import Mapping, Sequence

import pytest

from models.backends import Runtime
from models.enricher import CachedEnricher, Prepared
from models.enrichment import Enrichment
from models.evaluation import agreement_report
from tests.helpers.scripted_model import MODEL, answer

TEXTS = ("one", "two", "three", "four")


class Scripted(CachedEnricher):
    """A model with scripted answers, which differ for some texts when they come alone."""

    def __init__(self, answers: Mapping[str, Enrichment], alone: Mapping[str, Enrichment] | None = None) -> None:
        super().__init__(MODEL, Runtime("scripted", "f32", ""), cache_size=0)
        self._answers, self._alone = answers, alone or {}

    def labels_of(self, head: str) -> tuple[str, ...]:
        return ("music", "sports") if head == "topics" else ()

    def _compute(self, prepared: Sequence[Prepared]) -> list[Enrichment]:
        found = {**self._answers, **self._alone} if len(prepared) == 1 else self._answers
        return [found.get(each.text) or answer() for each in prepared]


def test_each_part_of_the_answers_is_compared() -> None:
    ours = Scripted(
        {
            "one": answer(sentiment=(0.6, 0.3, 0.1), topics=["music", "sports"]),
            "two": answer(language=("de", 0.9)),
            "three": answer(topics=["music"]),
        }
    )
    theirs = Scripted(
        {"one": answer(sentiment=(0.25, 0.4, 0.35), topics=["sports", "music"]), "three": answer(topics=["sports"])}
    )
    exact = agreement_report(ours, theirs, TEXTS).exact
    assert (exact.sentiment, exact.language, exact.topics) == (0.75, 0.75, 0.75)
    assert exact.topic_labels == 0.75, "2 of the 8 pairs of text and topic differ"
    assert exact.largest_difference == pytest.approx(0.35)


def test_what_depends_on_the_neighbours_is_found() -> None:
    report = agreement_report(
        Scripted({}, alone={"two": answer(sentiment=(0, 0.875, 0.125), topics=["music"])}), Scripted({}), TEXTS
    )
    assert report.exact.topics == report.exact.sentiment == report.exact.topic_labels == 1
    assert report.exact.largest_difference == 0
    assert (report.alone.sentiment, report.alone.topics, report.alone.topic_labels) == (1, 0.75, 0.875)
    assert report.alone.largest_difference == 0.125


def test_the_report_names_the_posts_and_both_models() -> None:
    done: list[int] = []
    report = agreement_report(Scripted({}), Scripted({}), TEXTS, done.append)
    assert (report.task, report.posts, report.model, report.reference) == ("agreement", 4, MODEL, MODEL)
    assert sum(done) == 3 * len(TEXTS), "in batches, by the reference, and alone"
