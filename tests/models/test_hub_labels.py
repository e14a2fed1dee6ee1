"""The mapping of third-party labels to ours."""

import pytest

from models.hub_labels import languages_of, moods_of


@pytest.mark.parametrize(
    ("labels", "moods"),
    [
        (("negative", "neutral", "positive"), (0, 1, 2)),
        (("Positive", "NEGATIVE", "Neutral"), (2, 0, 1)),
        (("NEG", "NEU", "POS"), (0, 1, 2)),
        (("LABEL_0", "LABEL_1", "LABEL_2"), (0, 1, 2)),
        (("LABEL_0", "LABEL_1"), (0, 2)),
        (("POSITIVE", "NEGATIVE"), (2, 0)),
        (("1 star", "2 stars", "3 stars", "4 stars", "5 stars"), (0, 0, 1, 2, 2)),
        (("Very Negative", "Negative", "Neutral", "Positive", "Very Positive"), (0, 0, 1, 2, 2)),
        (("very_positive", "negative"), (2, 0)),
        (("joy", "anger"), None),
        (("negative", "neutral"), None),
        (("negative", "positive", "irony"), None),
        (("LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"), None),
        ((), None),
    ],
)
def test_moods(labels: tuple[str, ...], moods: tuple[int, ...] | None) -> None:
    assert moods_of(labels) == moods


def test_languages_and_unknown_labels() -> None:
    assert languages_of(["en", "German", "LABEL_7"]) == (("en", "de", ""), ("LABEL_7",))
