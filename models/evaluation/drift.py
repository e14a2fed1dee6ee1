"""Chooses the threshold by which the accuracy of the sentiment is estimated on posts without labels."""

from collections.abc import Collection

import numpy as np

from models.artefact import SentimentCheck
from models.evaluation.measures import fraction
from models.evaluation.sentiment import JudgedPosts


def sentiment_check(domains: Collection[JudgedPosts]) -> SentimentCheck:
    """Return the threshold of the average thresholded confidence, from at least one domain of labelled posts.

    As many posts reach the threshold as are answered correctly, so that the share of posts that reach it estimates the
    accuracy where nobody knows the answers (Garg et al., 2022, "Leveraging Unlabeled Data to Predict Out-of-Distribution
    Performance"). All domains weigh the same.
    """
    confidences = np.concatenate([each.probabilities.max(axis=1) for each in domains])
    weights = np.concatenate([np.full(each.posts, 1 / each.posts / len(domains)) for each in domains])
    correct = np.concatenate([each.predicted == each.truth for each in domains])
    accuracy = float(weights @ correct)
    order = np.argsort(-confidences, kind="stable")
    reached = np.cumsum(weights[order])
    nearest = int(np.abs(reached - accuracy).argmin())
    return SentimentCheck(threshold=fraction(confidences[order][nearest]), accuracy=fraction(accuracy))
