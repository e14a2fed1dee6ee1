import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation import measures
from models.evaluation.measures import ConfusionCounts, Labels

TRUTH, PREDICTED = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 1, 2, 0])

pairs = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60).map(
    lambda rows: (np.array([row[0] for row in rows]), np.array([row[1] for row in rows]))
)
scored = st.lists(st.tuples(st.integers(0, 100).map(lambda n: n / 100), st.booleans()), min_size=1, max_size=60).map(
    lambda rows: (np.array([row[0] for row in rows]), np.array([row[1] for row in rows]))
)


def matrix(truth: Labels = TRUTH, predicted: Labels = PREDICTED) -> Labels:
    return measures.confusion(truth, predicted, 3)


def test_a_known_case() -> None:
    assert matrix().tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 1]]
    assert measures.accuracy(matrix()) == pytest.approx(4 / 6)
    assert measures.macro_f1(matrix()) == pytest.approx((0.5 + 0.8 + 2 / 3) / 3)
    assert measures.weighted_f1(matrix()) == pytest.approx((0.5 + 0.8 + 2 / 3) / 3)
    assert measures.macro_recall(matrix()) == pytest.approx((0.5 + 1 + 0.5) / 3)


def test_labels_that_were_never_given_count_and_labels_that_never_occur_do_not() -> None:
    counts = matrix(np.array([0, 1]), np.array([0, 0]))
    assert measures.macro_f1(counts) == pytest.approx((2 / 3 + 0) / 2)
    assert measures.macro_recall(counts) == 0.5


def test_without_posts_every_measure_is_0() -> None:
    none = np.zeros((3, 3), np.int64)
    for measure in (measures.accuracy, measures.macro_f1, measures.weighted_f1, measures.macro_recall):
        assert measure(none) == 0
    assert measures.calibration(np.array([]), np.array([], np.bool_)).error == 0
    assert ConfusionCounts(0, 0, 0).f1 == ConfusionCounts(0, 0, 0).precision == ConfusionCounts(0, 0, 0).recall == 0
    assert not ConfusionCounts(0, 0, 0).occurs


@given(pairs)
def test_agrees_with_scikit_learn(rows: tuple[Labels, Labels]) -> None:
    peer = pytest.importorskip("sklearn.metrics")
    counts = matrix(*rows)
    assert counts.tolist() == peer.confusion_matrix(*rows, labels=[0, 1, 2]).tolist()
    assert measures.accuracy(counts) == pytest.approx(peer.accuracy_score(*rows))
    assert measures.macro_f1(counts) == pytest.approx(peer.f1_score(*rows, average="macro"))
    assert measures.weighted_f1(counts) == pytest.approx(peer.f1_score(*rows, average="weighted"))
    with warnings.catch_warnings(action="ignore"):  # it warns about labels that are predicted but never true
        assert measures.macro_recall(counts) == pytest.approx(peer.balanced_accuracy_score(*rows))


@given(pairs)
def test_counts_of_one_label_agree_with_scikit_learn(rows: tuple[Labels, Labels]) -> None:
    peer = pytest.importorskip("sklearn.metrics")
    truth, predicted = (labels == 1 for labels in rows)
    counts = ConfusionCounts.of(truth, predicted)
    precision, recall, f1, _ = peer.precision_recall_fscore_support(truth, predicted, average="binary", zero_division=0)
    assert (counts.precision, counts.recall, counts.f1) == pytest.approx((precision, recall, f1))
    assert counts.posts == truth.sum()
    assert counts.occurs == (truth.any() or predicted.any())


@given(scored)
def test_auc_agrees_with_scikit_learn(rows: tuple[measures.Floats, measures.Flags]) -> None:
    peer = pytest.importorskip("sklearn.metrics")
    scores, truth = rows
    if len(set(truth.tolist())) == 2:
        assert measures.auc(scores, truth) == pytest.approx(peer.roc_auc_score(truth, scores))
    else:
        assert measures.auc(scores, truth) is None


def test_calibration_of_a_known_case() -> None:
    bins = measures.calibration(np.array([0.6, 0.7, 0.95, 1.0]), np.array([True, False, True, True]), bins=10)
    assert bins.posts.tolist() == [0, 0, 0, 0, 0, 1, 1, 0, 0, 2]
    assert bins.accuracy[[5, 6, 9]].tolist() == [1, 0, 1]
    assert np.isnan(bins.accuracy[0])
    assert bins.error == pytest.approx((0.4 + 0.7 + 2 * 0.025) / 4)


@given(scored, st.integers(1, 20))
def test_every_post_is_in_one_bin_that_holds_its_probability(
    rows: tuple[measures.Floats, measures.Flags], bins: int
) -> None:
    confidence, correct = rows
    found = measures.calibration(confidence, correct, bins)
    assert found.posts.sum() == len(confidence)
    assert 0 <= found.error <= 1
    filled = np.flatnonzero(found.posts)
    assert (found.confidence[filled] >= found.edges[filled] - 1e-9).all()
    assert (found.confidence[filled] <= found.edges[filled + 1] + 1e-9).all()
    if bins == 1:
        assert found.error == pytest.approx(abs(confidence.mean() - correct.mean()))
