import numpy as np
import pytest

from models.heads import HEADS
from models.training.data import NOISY, TrainingRow
from models.training.targets import SILENT, Targets, all_targets, encode, labels_of
from models.training.teacher import Target, nothing

ROWS = [
    TrainingRow("umsab-train", "label and prediction", "en", sentiment=2),
    TrainingRow("emosent", "only a label", sentiment=0),
    TrainingRow("x_topic", "only a prediction", "en", topics=("music",)),
    TrainingRow("umsab-train", "a label without neutral", NOISY, sentiment=0),
    TrainingRow("lingua", "neither", "de"),
]
PREDICTED = [[0.1, 0.3, 0.6], [0, 0, 0], [0.2, 0.3, 0.5], [0.1, 0.4, 0.5], [0, 0, 0]]


def targets() -> Targets:
    earlier = Target(np.array(PREDICTED, np.float16), np.array([True, False, True, True, False]))
    return all_targets(ROWS, nothing(ROWS, 8), earlier)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (0, [0.05, 0.15, 0.8]),
        (1, [1 - 0.1 / 3, 0.05 / 3, 0.05 / 3]),
        (2, [0.2, 0.3, 0.5]),
        (3, [0.6, 0.4, 0]),
    ],
)
def test_soft_targets_mix_the_label_and_the_earlier_model(place: int, expected: list[float]) -> None:
    assert targets()["sentiment"].values[place] == pytest.approx(expected, abs=1e-3)


def test_rows_without_a_sentiment_are_not_learned() -> None:
    assert targets()["sentiment"].known.tolist() == [True, True, True, True, False]
    assert labels_of(encode(HEADS["sentiment"], ROWS)).tolist() == [2, 0, SILENT, 0, SILENT]
