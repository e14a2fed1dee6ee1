import numpy as np
import pytest

from models.heads import HEADS
from models.training.data import NOISY, TrainingRow
from models.training.domains import is_published
from models.training.folds import FOLDS, Parts, for_training, split
from models.training.targets import all_targets, nothing


def sources(rows: list[TrainingRow], places: np.ndarray) -> set[str]:
    return {rows[place].source for place in places.tolist()}


def held(rows: list[TrainingRow], parts: Parts) -> list[int]:
    """Return the indices of the rows to choose by and to publish, which are in the right half."""
    assert [is_published(rows[place]) for place in parts.chosen] == [False] * len(parts.chosen)
    assert [is_published(rows[place]) for place in parts.published] == [True] * len(parts.published)
    assert len(parts.chosen)
    assert len(parts.published)
    return sorted([*parts.chosen.tolist(), *parts.published.tolist()])


def test_every_row_of_the_set_is_in_one_part() -> None:
    rows = [TrainingRow("x_topic" if number % 2 else "other", str(number), topics=()) for number in range(100)]
    parts = split(HEADS["topics"], rows, 0)
    left_out = held(rows, parts)
    assert sorted([*parts.fitted.tolist(), *left_out]) == list(range(1, 100, 2))
    assert len(left_out) == 50 / FOLDS
    assert split(HEADS["topics"], rows, 0).fitted.tolist() == parts.fitted.tolist()


def test_a_head_is_fitted_and_calibrated_on_the_sets_that_it_names() -> None:
    rows = [
        TrainingRow(source, f"{source} {number}", (NOISY, "en")[number % 2], sentiment=0)
        for source in ("umsab-train", "umsab-val", "semeval-2013", "semeval-2013-held")
        for number in range(20)
    ]
    parts = split(HEADS["sentiment"], rows, 0)
    assert sources(rows, parts.fitted) == {"umsab-train"}
    assert held(rows, parts) == list(range(21, 40, 2)), "the noisy ones are in no part"
    parts = split(HEADS["language"], rows, 0)
    assert {rows[place].language for place in parts.fitted} == {NOISY, "en"}, "only their sentiment is noisy"


def test_without_names_all_rows_with_a_label_are_used() -> None:
    rows = [
        TrainingRow(source, f"{source} {number}", "en")
        for source in ("lingua", "lingua-held", "semeval-2014", "umsab-val")
        for number in range(20)
    ]
    parts = split(HEADS["language"], rows, 0)
    assert sources(rows, parts.fitted) == {"lingua"}
    assert held(rows, parts) == [*range(20, 40), *range(60, 80)]
    assert split(HEADS["vector"], rows, 0).fitted.tolist() == []


@pytest.mark.parametrize("head", ["topics", "emotions"])
def test_what_a_head_is_calibrated_or_scored_on_is_not_trained_on(head: str) -> None:
    rows = [
        *(TrainingRow("x_topic", f"x {number}", "en", topics=("music",)) for number in range(50)),
        *(TrainingRow("brighter", f"b {number}", "en", emotions=("joy",)) for number in range(20)),
        *(TrainingRow("brighter-held", f"h {number}", "en", emotions=("joy",)) for number in range(20)),
    ]
    targets = all_targets(rows, nothing(rows, 8))
    kept, parts = for_training(targets, rows, 0), split(HEADS[head], rows, 0)
    left_out = held(rows, parts)
    known, before = kept[head].known, targets[head].known
    assert not known[left_out].any()
    assert before[left_out].all()
    others = np.setdiff1d(np.arange(len(rows)), left_out)
    assert known[others].tolist() == before[others].tolist()
    assert kept[head].values is targets[head].values
