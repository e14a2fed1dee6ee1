import numpy as np
import pytest

from models.training.data import TrainingRow
from models.training.priors import ANY, log_odds, shares


def posts(source: str, language: str | None, counts: tuple[int, int, int], unknown: str = "") -> list[TrainingRow]:
    silent = frozenset({unknown} - {""})
    return [
        TrainingRow(source, f"{number}", language, sentiment=label, unknown=silent)
        for label, count in enumerate(counts)
        for number in range(count)
    ]


ROWS = [
    *posts("semeval-2013", "en", (1, 7, 9)),
    *posts("semeval-2014", "en", (5, 3, 9)),
    *posts("wisesight", "th", (0, 16, 1)),
]
ENGLISH = np.array([[2, 8, 10], [6, 4, 10]]) / 20
THAI = np.array([1, 17, 2]) / 20


def test_sets_and_languages_weigh_the_same_whatever_their_sizes() -> None:
    found = shares(ROWS, weight=0)
    assert found["en"] == pytest.approx(ENGLISH.mean(axis=0))
    assert found["th"] == pytest.approx(THAI)
    assert found[ANY] == pytest.approx((ENGLISH.mean(axis=0) + THAI) / 2)


def test_the_mean_over_all_languages_counts_as_some_sets() -> None:
    found = shares(ROWS, weight=2)
    assert found["en"] == pytest.approx((ENGLISH.sum(axis=0) + 2 * found[ANY]) / 4)
    assert found["th"] == pytest.approx((THAI + 2 * found[ANY]) / 3)


def test_only_rows_that_say_how_posts_feel_are_counted() -> None:
    others = [
        *posts("semeval-2013-held", "en", (50, 0, 0)),
        *posts("umsab-train", "en", (50, 0, 0)),
        *posts("vsmec", "vi", (50, 0, 50), unknown="neutral"),
        *posts("sentimix_spanglish", None, (50, 0, 0)),
        *posts("unheard-of", "en", (50, 0, 0)),
        TrainingRow("lingua", "no sentiment", "de"),
    ]
    found = shares([*ROWS, *others], weight=1)
    expected = shares(ROWS, weight=1)
    assert found.keys() == expected.keys() == {ANY, "en", "th"}
    assert all(found[language] == pytest.approx(expected[language]) for language in expected)


def test_a_set_can_be_left_out() -> None:
    found = shares(ROWS, weight=0, without="semeval-2014")
    assert found["en"] == pytest.approx(ENGLISH[0])


@pytest.mark.parametrize("strength", [0, 0.5, 1])
def test_the_odds_bring_equal_shares_to_those_of_the_language(strength: float) -> None:
    found = log_odds({"en": np.array([0.2, 0.5, 0.3])}, strength)["en"]
    assert sum(found) == pytest.approx(0, abs=1e-3)
    probabilities = np.exp(found) / np.exp(found).sum()
    expected = np.array([0.2, 0.5, 0.3]) ** strength
    assert probabilities == pytest.approx(expected / expected.sum(), abs=1e-4)
