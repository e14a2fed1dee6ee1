import numpy as np
import pytest

from models.training.data import NOISY, TrainingRow
from models.training.targets import SILENT, Targets, encode
from models.training.teacher import Said, nothing

ROWS = [
    TrainingRow("umsab-train", "both know", "en", sentiment=2),
    TrainingRow("emosent", "only the set knows", sentiment=0),
    TrainingRow("x_topic", "only the earlier model knows", "en", topics=("music",)),
    TrainingRow("umsab-train", "the set knows the side", NOISY, sentiment=0),
    TrainingRow("lingua", "nobody knows", "de"),
]
THEIRS = [[0.1, 0.3, 0.6], [0, 0, 0], [0.2, 0.3, 0.5], [0.1, 0.4, 0.5], [0, 0, 0]]


def targets() -> Targets:
    said = Said(np.array(THEIRS, np.float16), np.array([True, False, True, True, False]))
    return encode(ROWS, nothing(ROWS, 8), said)


@pytest.mark.parametrize(
    ("place", "mood"),
    [
        (0, [0.05, 0.15, 0.8]),
        (1, [1 - 0.1 / 3, 0.05 / 3, 0.05 / 3]),
        (2, [0.2, 0.3, 0.5]),
        (3, [0.6, 0.4, 0]),
    ],
)
def test_a_mood_is_of_the_label_and_of_the_earlier_model(place: int, mood: list[float]) -> None:
    assert targets().mood[place] == pytest.approx(mood, abs=1e-3)


def test_what_nobody_knows_is_not_learnt() -> None:
    found = targets()
    assert found.has_mood.tolist() == [True, True, True, True, False]
    assert found.sentiment.tolist() == [2, 0, SILENT, 0, SILENT]
