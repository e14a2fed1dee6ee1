from collections import Counter
from itertools import islice

import numpy as np
import pytest

from models.training.data import TrainingRow
from models.training.mixture import BATCH, Mixture, pad

ROWS = [
    *(TrainingRow("many", f"m{number}", "en", sentiment=1) for number in range(300)),
    *(TrainingRow("few", f"f{number}", "en", sentiment=1) for number in range(30)),
    *(TrainingRow("few-held", f"h{number}", "en", sentiment=1) for number in range(30)),
    *(TrainingRow("semeval", f"s{number}", "en", sentiment=0) for number in range(20)),
    *(TrainingRow("semeval", f"s{number}", "en", sentiment=2) for number in range(200)),
]
TOKENS = [np.array([0, *range(10, 10 + 3 + number % 20), 2], np.int32) for number in range(len(ROWS))]
SHARES = {"many": 0.5, "few": 0.25, "semeval": 0.25}


def drawn(batches: int, seed: int = 0) -> list[np.ndarray]:
    return [batch.rows for batch in islice(Mixture(ROWS, TOKENS, SHARES, [seed]).batches(), batches)]


def test_held_out_rows_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="few-held"):
        Mixture(ROWS, TOKENS, {"few-held": 1.0}, [0])


def test_sets_are_drawn_in_their_shares() -> None:
    counts = Counter(ROWS[place].source for place in np.concatenate(drawn(240)))
    total = sum(counts.values())
    assert total == 240 * BATCH
    assert abs(counts["many"] / total - 0.5) < 0.03
    assert abs(counts["few"] / total - 0.25) < 0.03


def test_rare_labels_are_drawn_as_often_as_common_ones() -> None:
    counts = Counter(ROWS[place].sentiment for place in np.concatenate(drawn(240)) if ROWS[place].source == "semeval")
    assert abs(counts[0] / counts.total() - 0.5) < 0.05


def test_the_same_seed_draws_the_same() -> None:
    assert all(np.array_equal(*pair) for pair in zip(drawn(30), drawn(30), strict=True))
    assert not all(np.array_equal(*pair) for pair in zip(drawn(30), drawn(30, seed=1), strict=True))


def test_batches_can_start_anywhere() -> None:
    whole = drawn(60)
    for start in (7, 24, 31):
        rest = islice(Mixture(ROWS, TOKENS, SHARES, [0]).batches(start), 60 - start)
        assert all(np.array_equal(batch.rows, rows) for batch, rows in zip(rest, whole[start:], strict=True))


def test_padding_is_masked() -> None:
    batch = pad(np.array([4, 2]), [np.array([0, 2], np.int32), np.array([0, 9, 2], np.int32)])
    assert batch.ids.tolist() == [[0, 2, 1], [0, 9, 2]]
    assert batch.mask.tolist() == [[1, 1, 0], [1, 1, 1]]
