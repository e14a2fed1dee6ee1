import numpy as np
import pytest

from models.artefact import SentimentCheck
from models.enrichment import Sentiment
from models.evaluation.drift import sentiment_check
from models.evaluation.measures import fraction
from models.evaluation.sentiment import JudgedPosts


def judged(confidences: list[float], right: int) -> JudgedPosts:
    """Return posts of which the first ones are answered correctly."""
    truth = np.zeros(len(confidences), np.int64)
    predicted = np.where(np.arange(len(truth)) < right, 0, 1)
    rest = (1 - np.array(confidences)) / 2
    return JudgedPosts(truth, predicted, np.stack([confidences, rest, rest], axis=1))


def test_as_many_posts_reach_the_threshold_as_are_right() -> None:
    assert sentiment_check([judged([0.5, 0.9, 0.6, 0.7], 3)]) == SentimentCheck(threshold=0.6, accuracy=0.75)


def test_all_domains_weigh_the_same() -> None:
    small, large = judged([0.9, 0.8], 1), judged([0.7, 0.6] * 50, 100)
    assert sentiment_check([small, large]) == SentimentCheck(threshold=0.7, accuracy=0.75)


def test_the_share_of_sure_posts_is_the_accuracy_where_posts_differ_in_difficulty() -> None:
    generator = np.random.default_rng(0)

    def domain(hard: float) -> JudgedPosts:
        confidences = np.where(generator.random(4_000) < hard, generator.uniform(0.4, 0.7, 4_000), 0.95)
        right = generator.random(4_000) < confidences
        rest = (1 - confidences) / 2
        return JudgedPosts(
            np.zeros(4_000, np.int64), np.where(right, 0, 1), np.stack([confidences, rest, rest], axis=1)
        )

    check = sentiment_check([domain(0.4), domain(0.6)])
    new = domain(0.8)
    expected = fraction(np.mean(new.probabilities.max(axis=1) >= check.threshold))
    accuracy = float((new.predicted == new.truth).mean())
    assert abs(expected - accuracy) < 0.15
    assert expected < check.accuracy - 0.05, "the harder day is seen"


@pytest.mark.parametrize(("positive", "sure"), [(0.7, True), (0.69, False)])
def test_a_sentiment_is_sure_from_the_threshold_on(positive: float, *, sure: bool) -> None:
    sentiment = Sentiment(label="positive", negative=0.1, neutral=0.9 - positive, positive=positive)
    assert SentimentCheck(threshold=0.7, accuracy=0.7).is_sure(sentiment) is sure
