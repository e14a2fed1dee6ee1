import numpy as np
import pytest

from models.training.heads import (
    best_threshold,
    cooled,
    cross_entropy,
    fit,
    fit_each,
    least_likely,
    logits,
    matching_threshold,
    mean,
    regress,
    side_by_side,
    temperature,
)

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(3, 8)) * 2
LABELS = RNG.integers(0, 3, 600)
FEATURES = (CENTRES[LABELS] + RNG.normal(size=(600, 8)) + 5).astype(np.float32)
WEIGHTS = np.ones(600, np.float32)


def test_a_head_separates_what_can_be_separated() -> None:
    head = fit(FEATURES[:400], LABELS[:400], WEIGHTS[:400], 1e-3, count=3)
    assert head.weight.shape == (3, 8)
    assert np.mean(logits(head, FEATURES[400:]).argmax(axis=1) == LABELS[400:]) > 0.9


@pytest.mark.parametrize("missing", [0, 2, 3])
def test_a_label_without_rows_has_a_column_and_is_never_likely(missing: int) -> None:
    kept = missing != LABELS
    head = fit(FEATURES[kept], LABELS[kept], WEIGHTS[kept], 1e-3, count=4)
    assert head.weight.shape == (4, 8)
    assert head.bias.shape == (4,)
    found = logits(head, FEATURES[kept])
    assert (found[:, missing] < found.max(axis=1) - 2).all()
    assert np.mean(found.argmax(axis=1) == LABELS[kept]) > 0.9


def test_regression_finds_a_linear_map() -> None:
    weight, bias = RNG.normal(size=(4, 8)), RNG.normal(size=4)
    head = regress(FEATURES, FEATURES @ weight.T + bias, 1e-6)
    np.testing.assert_allclose(logits(head, FEATURES), FEATURES @ weight.T + bias, atol=1e-2)


def test_each_label_gets_a_regression_of_its_own() -> None:
    present = np.stack([LABELS == 0, LABELS != 1], axis=1)
    found = logits(fit_each(FEATURES, present, 1.0), FEATURES) > 0
    assert np.mean(found == present) > 0.95


def test_a_label_that_all_or_no_rows_have_gets_its_share() -> None:
    present = np.stack([LABELS == 0, np.zeros(600, np.bool_), np.ones(600, np.bool_)], axis=1)
    found = logits(fit_each(FEATURES, present, 1.0), FEATURES)
    np.testing.assert_allclose(found[:, 1:], [[np.log(0.5 / 600.5), np.log(600.5 / 0.5)]] * 600, rtol=1e-5)
    np.testing.assert_allclose(found[:, :1], logits(fit_each(FEATURES, present[:, :1], 1.0), FEATURES), rtol=1e-5)


def test_two_heads_side_by_side_give_the_mean_of_their_logits() -> None:
    one, other = fit(FEATURES, LABELS, WEIGHTS, 1e-3, count=3), fit(FEATURES[:, :4], LABELS, WEIGHTS, 1e-3, count=3)
    both = logits(side_by_side(one, other, 0.25), np.concatenate([FEATURES, FEATURES[:, :4]], axis=1))
    np.testing.assert_allclose(
        both, 0.75 * logits(one, FEATURES) + 0.25 * logits(other, FEATURES[:, :4]), rtol=1e-3, atol=1e-3
    )


def test_the_mean_of_two_heads_gives_the_mean_of_their_logits() -> None:
    one, other = (
        fit(FEATURES, LABELS, WEIGHTS, 1e-3, count=3),
        fit(FEATURES[:99], LABELS[:99], WEIGHTS[:99], 1e-3, count=3),
    )
    both = logits(mean(one, other, 0.25), FEATURES)
    np.testing.assert_allclose(
        both, 0.75 * logits(one, FEATURES) + 0.25 * logits(other, FEATURES), rtol=1e-3, atol=1e-3
    )


def test_the_threshold_withholds_few_right_answers() -> None:
    probabilities = np.repeat([0.12, 0.27, 0.33, 0.9], [20, 20, 20, 940])
    right = np.concatenate([np.arange(20) < 2, np.arange(20) < 3, np.arange(20) < 10, np.ones(940, np.bool_)])
    assert least_likely(probabilities, right, 0.002) == 0.25
    assert least_likely(probabilities, right, 0.005) == 0.3
    assert least_likely(probabilities, right, 0.015) == 0.5
    assert least_likely(np.full(10, 0.01), np.ones(10, np.bool_), 0.1) == 0


def test_temperature_undoes_overconfidence() -> None:
    scores = RNG.normal(size=(5_000, 3)).astype(np.float32) * 2
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = np.array([RNG.choice(3, p=row / row.sum()) for row in probabilities.astype(np.float64)])
    found = temperature(scores * 3, labels)
    assert found == pytest.approx(3, rel=0.1)
    assert cross_entropy(scores * 3 / np.float32(found), labels) < cross_entropy(scores * 3, labels)


def test_cooling_divides_the_logits() -> None:
    head = fit(FEATURES, LABELS, WEIGHTS, 1e-3, count=3)
    np.testing.assert_allclose(logits(cooled(head, 2), FEATURES), logits(head, FEATURES) / 2, rtol=1e-4, atol=1e-4)


def test_as_many_rows_reach_the_threshold_as_have_the_label() -> None:
    scores = np.array([0.9, 0.2, 0.7, 0.8], np.float32)
    assert matching_threshold(scores, np.array([True, True, False, False])) == pytest.approx(0.8)
    assert matching_threshold(scores, np.zeros(4, np.bool_)) == pytest.approx(0.9)


def test_best_threshold_of_a_known_case() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.2], np.float32)
    assert best_threshold(scores, np.array([True, False, True, False])) == pytest.approx(0.7)
