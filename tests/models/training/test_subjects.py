import numpy as np
import pytest

from models.training import folds
from models.training.data import Row
from models.training.subjects import guess
from models.training.targets import Targets, encode
from models.training.teacher import Said, nothing

POSTS, OTHERS = 200, 20
TOPICS = ("music", "sports")
ROWS = [
    *(Row("x_topic", f"x{number}", "en", topics=(TOPICS[number % 2],)) for number in range(POSTS)),
    *(Row("umsab-train", f"u{number}", "en", sentiment=0) for number in range(OTHERS)),
    Row("undetermined", "lorem ipsum", topics=()),
]
PLACES, FOLD = folds.places_and_folds(ROWS, 0)
LEFT_OUT = PLACES[FOLD == folds.LEFT_OUT]
TAUGHT = PLACES[FOLD != folds.LEFT_OUT]
PRESENT = np.array([[name in (row.topics or ()) for name in TOPICS] for row in ROWS], np.float32)


def told_by_the_first_column(swapped: int | None = None) -> Said:
    """Vectors whose first column is the second topic, but in one row; nobody was asked about the last row."""
    values = np.random.default_rng(0).normal(size=(len(ROWS), 4))
    values[:, 0] = np.where(np.arange(len(ROWS)) % 2, 3, -3)
    if swapped is not None:
        values[swapped, 0] *= -1
    known = np.ones(len(ROWS), np.bool_)
    known[-1] = False
    return Said(values.astype(np.float16), known)


def targets() -> Targets:
    return encode(ROWS, told_by_the_first_column(), nothing(ROWS, 3), seed=0)


def test_posts_without_topics_are_told_theirs() -> None:
    said = guess(told_by_the_first_column(), PRESENT, PLACES, FOLD)
    others = np.arange(POSTS, POSTS + OTHERS)
    assert (said.values[others].argmax(axis=1) == others % 2).all()


def test_a_post_is_not_told_what_its_own_label_taught() -> None:
    wrong = int(TAUGHT[0])
    said = guess(told_by_the_first_column(swapped=wrong), PRESENT, PLACES, FOLD)
    assert said.values[wrong].argmax() != wrong % 2


def test_the_left_out_fold_teaches_nothing_and_is_told_nothing() -> None:
    said = guess(told_by_the_first_column(), PRESENT, PLACES, FOLD)
    assert not said.known[LEFT_OUT].any()
    lies = PRESENT.copy()
    lies[LEFT_OUT] = 1 - lies[LEFT_OUT]
    np.testing.assert_array_equal(guess(told_by_the_first_column(), lies, PLACES, FOLD).values, said.values)
    assert not targets().subject_weight[LEFT_OUT].any()


def test_a_label_counts_half_beside_the_teacher_and_fully_alone() -> None:
    found = targets()
    said = guess(told_by_the_first_column(), PRESENT, PLACES, FOLD)
    assert found.subjects[TAUGHT] == pytest.approx((PRESENT[TAUGHT] + said.values[TAUGHT]) / 2, abs=1e-3)
    assert found.subjects[-1].tolist() == [0, 0]
    assert set(found.subject_weight[TAUGHT]) | {found.subject_weight[-1]} == {1}
    assert 0 < found.subject_weight[POSTS] < 1


def test_truth_stays_what_the_set_says() -> None:
    np.testing.assert_array_equal(targets().topics, PRESENT)
