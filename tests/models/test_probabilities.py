import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from models.probabilities import rounded, sigmoid, softmax

tables = arrays(
    np.float32, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.floats(width=32, allow_nan=False)
).map(lambda table: np.nan_to_num(table))


@given(tables)
def test_exclusive_labels_share_by_their_distances(logits: npt.NDArray[np.float32]) -> None:
    distances = logits.astype(np.float64)[:, None, :] - logits[:, :, None]
    with np.errstate(over="ignore"):
        expected = 1 / np.exp(distances).sum(axis=2)
    found = softmax(logits)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)


@given(tables)
def test_independent_labels_follow_the_hyperbolic_tangent(logits: npt.NDArray[np.float32]) -> None:
    np.testing.assert_allclose(sigmoid(logits), (1 + np.tanh(logits.astype(np.float64) / 2)) / 2, atol=1e-15)


def test_known_probabilities() -> None:
    np.testing.assert_allclose(softmax(np.log(np.array([[1, 2, 5]], np.float32))), [[0.125, 0.25, 0.625]], rtol=1e-6)
    np.testing.assert_allclose(sigmoid(np.log(np.array([[1, 3, 1 / 3]], np.float32))), [[0.5, 0.75, 0.25]], rtol=1e-6)


def test_no_posts_have_no_probabilities() -> None:
    nothing = np.zeros((0, 3), np.float32)
    assert softmax(nothing).shape == sigmoid(nothing).shape == (0, 3)


@pytest.mark.parametrize(
    ("probability", "published"), [(0.0, 0.0), (1.0, 1.0), (0.12344, 0.1234), (0.12346, 0.1235), (0.99996, 1.0)]
)
def test_probabilities_are_published_with_four_decimals(probability: float, published: float) -> None:
    found = rounded(np.float64(probability))
    assert found == published
    assert type(found) is float
