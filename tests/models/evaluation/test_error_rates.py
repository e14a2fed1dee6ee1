import numpy as np
import pytest

from models.errors import EvaluationDataError
from models.evaluation.error_rates import UMSAB_LANGUAGES, JudgedDomain, error_rates
from models.evaluation.sentiment import JudgedPosts
from tests.helpers.scripted_model import MODEL


def judged(truth: str, predicted: str) -> JudgedPosts:
    return JudgedPosts(np.array([*map(int, truth)]), np.array([*map(int, predicted)]), np.full((len(truth), 3), 1 / 3))


def test_error_rates_are_of_each_domain_each_language_and_all() -> None:
    domains = {
        "reviews": JudgedDomain("hi-Latn", judged("0102", "0122")),
        "tweets hi-Latn": JudgedDomain("hi-Latn", judged("012", "012")),
        "tweets nb": JudgedDomain("nb", judged("012", "012")),
    }
    rates = error_rates(domains, MODEL)
    assert {name: each.language for name, each in rates.domains.items()} == {
        "reviews": "hi-Latn",
        "tweets hi-Latn": "hi-Latn",
        "tweets nb": "nb",
    }
    assert rates.domains["reviews"].rates[0] == (0.5, 0.0, 0.5)
    assert list(rates.languages) == ["hi-Latn", "nb"]
    assert rates.of("hi-Latn").rates[0] == (0.75, 0.0, 0.25)
    assert rates.of("xx") == rates.together
    assert rates.together.counts == ((3, 0, 1), (0, 3, 0), (0, 0, 3))
    assert rates.together.rates[0] == (0.833333, 0.0, 0.166667), "the mean of the domains"
    assert (rates.together.domains, rates.model) == (3, MODEL)


@pytest.mark.parametrize(
    ("labels", "message"), [("110", "tweets en has no positive posts"), ("112", "tweets en has no negative posts")]
)
def test_error_rates_need_every_sentiment_of_each_domain(labels: str, message: str) -> None:
    with pytest.raises(EvaluationDataError, match=message):
        error_rates({"tweets en": JudgedDomain("en", judged(labels, "012"))}, MODEL)


def test_the_folders_of_umsab_have_different_languages() -> None:
    assert len(set(UMSAB_LANGUAGES.values())) == len(UMSAB_LANGUAGES) == 8
