import numpy as np

from models.heads import HEADS
from models.training.data import TrainingRow
from models.training.folds import FOLDS, score, split

RNG = np.random.default_rng(0)


def test_every_row_of_the_set_has_one_fold() -> None:
    rows = [TrainingRow("x_topic" if number % 2 else "other", str(number), topics=()) for number in range(100)]
    fitted, left_out = split(HEADS["topics"], rows, 0)
    assert sorted([*fitted.tolist(), *left_out.tolist()]) == list(range(1, 100, 2))
    assert len(left_out) == 50 / FOLDS


def test_scores_distinguish_good_answers_from_guesses() -> None:
    present = RNG.random((500, 4)) < 0.3
    noise = RNG.normal(size=present.shape).astype(np.float32)
    good, guess = score(4 * present + noise, present), score(noise, present)
    assert good.macro_f1 > 0.9
    assert good.micro_f1 > 0.9
    assert guess.macro_f1 < 0.6
    assert good.thresholds.shape == (4,)
