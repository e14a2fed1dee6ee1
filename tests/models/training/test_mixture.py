from collections import Counter
from itertools import islice

import numpy as np
import pytest

from models.training.data import TrainingRow
from models.training.mixture import BATCH, Mixture, group_weights, pad

ROWS = [
    *(TrainingRow("afrisenti-train", f"m{number}", "ha", sentiment=1) for number in range(900)),
    *(TrainingRow("afrisenti_more", f"f{number}", "am", sentiment=1) for number in range(100)),
    *(TrainingRow("afrisenti_more-held", f"h{number}", "am", sentiment=1) for number in range(30)),
    *(TrainingRow("semeval-2013", f"s{number}", "en", sentiment=0) for number in range(25)),
    *(TrainingRow("semeval-2013", f"s{number}", "en", sentiment=2) for number in range(225)),
    *(TrainingRow("umsab-train", f"u{number}", "en", sentiment=number % 3) for number in range(30)),
]
TOKENS = [np.array([0, *range(10, 10 + 3 + number % 20), 2], np.int32) for number in range(len(ROWS))]
SHARES = {"african": 0.5, "english": 0.3, "umsab": 0.2}


def drawn(batches: int, seed: int = 0) -> list[np.ndarray]:
    return [batch.rows for batch in islice(Mixture(ROWS, TOKENS, SHARES, [seed]).batches(), batches)]


@pytest.mark.parametrize("family", ["emotion", "unheard-of"])
def test_a_family_without_rows_cannot_be_drawn(family: str) -> None:
    with pytest.raises(ValueError, match=family):
        Mixture(ROWS, TOKENS, {"umsab": 0.5, family: 0.5}, [0])


def test_families_are_drawn_in_their_shares_and_held_out_rows_never() -> None:
    counts = Counter(ROWS[place].source for place in np.concatenate(drawn(240)))
    total = counts.total()
    assert total == 240 * BATCH
    assert "afrisenti_more-held" not in counts
    assert abs(counts["semeval-2013"] / total - 0.3) < 0.03
    assert abs(counts["umsab-train"] / total - 0.2) < 0.03
    assert abs(counts["afrisenti-train"] / total - 0.5 * 3 / 4) < 0.03, "30 of 30 + 10, the roots of the sizes"


def test_a_set_may_weigh_more_in_its_family() -> None:
    rows = [TrainingRow(source, f"{source}{number}") for source in ("lingua", "sib200") for number in range(100)]
    batches = islice(Mixture(rows, TOKENS[:200], {"language": 1.0}, [0]).batches(), 240)
    drawn_from = Counter(rows[place].source for batch in batches for place in batch.rows)
    assert abs(drawn_from["lingua"] / drawn_from.total() - 1 / (1 + 0.5)) < 0.03


def test_rare_labels_are_favoured_by_the_root_of_their_number() -> None:
    counts = Counter(
        ROWS[place].sentiment for place in np.concatenate(drawn(240)) if ROWS[place].source == "semeval-2013"
    )
    assert abs(counts[0] / counts.total() - 5 / (5 + 15)) < 0.03


@pytest.mark.parametrize(("source", "expected"), [("semeval-2013", 2.0), ("umsab-train", 4.0), ("template", 2.0)])
def test_groups_are_balanced_as_their_set_demands(source: str, expected: float) -> None:
    rows = [TrainingRow(source, str(number), "en", sentiment=min(number, 1)) for number in range(5)]
    weights = group_weights(rows)
    assert weights[1:].sum() / weights[0] == pytest.approx(expected)


def test_groups_differ_in_language_and_in_every_label_that_few_rows_have() -> None:
    rows = [
        TrainingRow("template", "a", "en", emotions=("joy",)),
        TrainingRow("template", "b", "en", emotions=()),
        TrainingRow("template", "c", "en", acts=("thanks",)),
        TrainingRow("template", "d", "de", acts=("thanks",)),
    ]
    assert group_weights(rows).tolist() == [1] * 4
    assert group_weights(rows * 4).tolist() == [0.5] * 16


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
