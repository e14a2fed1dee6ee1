import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from models.evaluation import measures

scored = st.lists(st.tuples(st.integers(0, 100).map(lambda n: n / 100), st.booleans()), min_size=1, max_size=60).map(
    lambda rows: (np.array([row[0] for row in rows]), np.array([row[1] for row in rows]))
)


@given(scored)
def test_auc_agrees_with_scikit_learn(rows: tuple[measures.Floats, measures.Flags]) -> None:
    scores, truth = rows
    if len(set(truth.tolist())) == 2:
        assert measures.auc(scores, truth) == pytest.approx(roc_auc_score(truth, scores))
    else:
        assert measures.auc(scores, truth) is None


def test_without_posts_the_calibration_error_is_0() -> None:
    assert measures.calibration(np.array([]), np.array([], np.bool_)).error == 0


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
