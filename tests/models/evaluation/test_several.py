import pytest
from hypothesis import strategies as st

from models.evaluation.several import by_label, macro_f1, measures, micro_f1

NAMES = ("fear", "joy", "support")
label_sets = st.frozensets(st.sampled_from(NAMES))


def test_labels_are_scored_one_by_one_and_together() -> None:
    truth = [frozenset({"joy"}), frozenset({"joy", "fear"}), frozenset[str](), frozenset({"fear"})]
    predicted = [frozenset({"joy"}), frozenset({"fear"}), frozenset({"fear"}), frozenset[str]()]
    flags = by_label(truth, predicted, ["joy", "fear"])
    assert list(flags) == ["fear", "joy"]
    found = measures(flags)
    assert (found["joy"].precision, found["joy"].recall, found["joy"].posts) == (1, 0.5, 2)
    assert (found["fear"].precision, found["fear"].recall, found["fear"].posts) == (0.5, 0.5, 2)
    assert macro_f1(flags) == pytest.approx((2 / 3 + 0.5) / 2, abs=1e-4)
    assert micro_f1(flags) == pytest.approx(2 * 2 / (3 + 4), abs=1e-4)


def test_without_labels_the_scores_are_zero() -> None:
    assert (macro_f1({}), micro_f1({}), measures({})) == (0, 0, {})
