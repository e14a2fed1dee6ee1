import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the extra `train` is not installed")

from models.training.heads import best_threshold, cross_entropy, fit, fit_each, out_of_fold, temperature

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(3, 8)) * 2
LABELS = RNG.integers(0, 3, 600)
FEATURES = (CENTRES[LABELS] + RNG.normal(size=(600, 8)) + 5).astype(np.float32)
WEIGHTS = np.ones(600, np.float32)


def test_a_head_separates_what_can_be_separated() -> None:
    head = fit(FEATURES[:400], LABELS[:400], WEIGHTS[:400], 1e-3)
    assert head.weight.shape == (3, 8)
    assert np.mean(head(FEATURES[400:]).argmax(axis=1) == LABELS[400:]) > 0.9


def test_every_scored_row_is_left_out_once() -> None:
    scored = np.arange(600) < 300
    logits = out_of_fold(FEATURES, LABELS, WEIGHTS, 1e-3, scored)
    assert logits.shape == (300, 3)
    assert np.mean(logits.argmax(axis=1) == LABELS[:300]) > 0.9


def test_temperature_undoes_overconfidence() -> None:
    logits = RNG.normal(size=(5_000, 3)).astype(np.float32) * 2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([RNG.choice(3, p=row / row.sum()) for row in probabilities.astype(np.float64)])
    found = temperature(logits * 3, labels)
    assert found == pytest.approx(3, rel=0.1)
    assert cross_entropy(logits * 3 / np.float32(found), labels) < cross_entropy(logits * 3, labels)


def test_labels_are_fitted_independently() -> None:
    present = np.stack([LABELS == 0, LABELS != 1], axis=1)
    head = fit_each(FEATURES[:400], present[:400], 1e-3)
    assert np.mean((head(FEATURES[400:]) > 0) == present[400:]) > 0.9


def test_best_threshold_of_a_known_case() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.2], np.float32)
    assert best_threshold(scores, np.array([True, False, True, False])) == pytest.approx(0.7)
