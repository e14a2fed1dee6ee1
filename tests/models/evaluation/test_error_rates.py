import numpy as np
import pytest

from models.errors import EvaluationDataError
from models.evaluation.error_rates import UMSAB_LANGUAGES, error_rates
from models.evaluation.sentiment import JudgedPosts
from tests.helpers.scripted_model import MODEL


def judged(truth: str, predicted: str) -> JudgedPosts:
    return JudgedPosts(np.array([*map(int, truth)]), np.array([*map(int, predicted)]), np.full((len(truth), 3), 1 / 3))


def test_error_rates_are_named_by_language() -> None:
    rates = error_rates({"hindi": judged("0102", "0122"), "nb": judged("012", "012")}, MODEL)
    assert list(rates.languages) == ["hi-Latn", "nb"]
    assert rates.of("hi-Latn").rates[0] == (0.5, 0.0, 0.5)
    assert rates.of("xx") == rates.together
    assert rates.together.counts == ((2, 0, 1), (0, 2, 0), (0, 0, 2))
    assert rates.together.rates[0] == (0.666667, 0.0, 0.333333)
    assert rates.model == MODEL


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ({"english": "110"}, "english has no positive posts"),
        ({"english": "112"}, "english has no negative posts"),
        ({"de": "012", "german": "012"}, "two folders have the language de"),
    ],
)
def test_error_rates_need_every_sentiment_of_each_language_once(folders: dict[str, str], message: str) -> None:
    with pytest.raises(EvaluationDataError, match=message):
        error_rates({name: judged(labels, "012") for name, labels in folders.items()}, MODEL)


def test_the_folders_of_umsab_have_different_languages() -> None:
    assert len(set(UMSAB_LANGUAGES.values())) == len(UMSAB_LANGUAGES) == 8
