import numpy as np
import pytest

from models.training.thresholds import Thresholds, choose, score

RNG = np.random.default_rng(0)


def noisy(present: np.ndarray, strength: float, shift: float = 0) -> np.ndarray:
    """Return logits that say what is present, with noise."""
    return (strength * present + shift + RNG.normal(size=present.shape)).astype(np.float32)


def test_as_many_rows_reach_a_threshold_as_have_the_label() -> None:
    present = RNG.random((400, 3)) < (0.1, 0.3, 0.6)
    logits = noisy(present, 1)
    found = choose(logits, present, np.ones_like(present), [None] * 400)
    assert (logits >= found.overall).sum(axis=0).tolist() == present.sum(axis=0).tolist()
    assert found.by_language == {}


def test_rows_on_whose_label_the_set_is_silent_do_not_count() -> None:
    present = np.array([[True], [True], [False], [False]])
    decided = np.array([[True], [False], [True], [True]])
    found = choose(np.array([[1], [9], [3], [2]], np.float32), present, decided, [None] * 4)
    assert found.overall.tolist() == [3]


def test_a_label_that_no_row_has_keeps_its_threshold() -> None:
    present = np.array([[True, False], [False, False]])
    found = choose(np.array([[5, 5], [4, 4]], np.float32), present, np.ones_like(present), ["en", "de"])
    assert found.overall.tolist() == [5, 0]


@pytest.mark.parametrize(("rows", "share", "own"), [(99, 0.5, False), (100, 0.5, True), (100, 0.1, False)])
def test_a_language_with_enough_rows_has_thresholds_of_its_own(rows: int, share: float, own: bool) -> None:
    present = np.concatenate([RNG.random((300, 1)) < 0.5, (np.arange(rows) < share * rows)[:, None]])
    logits = np.concatenate([noisy(present[:300], 4), noisy(present[300:], 4, shift=-3)])
    languages = ["en"] * 300 + ["am"] * rows
    found = choose(logits, present, np.ones_like(present), languages)
    assert ("am" in found.by_language) == own
    if own:
        assert (logits[300:] >= found.of("am")).sum() == present[300:].sum()
        assert found.of("am") < found.of("en")
    assert found.of("unheard-of") is found.of(None) is found.overall


def test_scores_distinguish_good_answers_from_guesses() -> None:
    present = RNG.random((500, 4)) < 0.3
    decided, languages = np.ones_like(present), [None] * 500
    for strength, at_least, at_most in ((5, 0.9, 1), (0, 0, 0.6)):
        found = choose(noisy(present, strength), present, decided, languages)
        scored = score(noisy(present, strength), present, decided, languages, found)
        assert scored.keys() == {"macro-F1", "micro-F1"}
        assert all(at_least <= value <= at_most for value in scored.values())


def test_scores_are_of_the_labels_that_are_decided_and_occur() -> None:
    limits = Thresholds(np.zeros(3, np.float32), {"de": np.array([5, 0, 0], np.float32)})
    logits = np.array([[1, 1, -1], [1, 1, -1], [-1, -1, -1], [1, 1, -1]], np.float32)
    present = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0]], np.bool_)
    decided = np.ones_like(present)
    decided[3, 1] = False
    scored = score(logits, present, decided, ["en", "de", "en", None], limits)
    assert scored["macro-F1"] == pytest.approx((2 * 2 / (2 + 3) + 2 * 1 / (2 + 1)) / 2)
    assert scored["micro-F1"] == pytest.approx(2 * 3 / (4 + 4))
