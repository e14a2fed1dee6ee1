import numpy as np
import pytest

from models.enrichment import SENTIMENTS
from models.training import left_out
from models.training.data import TrainingRow
from models.training.left_out import CHOICES, STRENGTHS, compare, sample

RNG = np.random.default_rng(0)
SETS = ("tass2020", "wisesight", "norec_sentence")


def rows() -> list[TrainingRow]:
    """Return rows of three sets whose shares differ, and of one set without neutral posts."""
    shares = {"tass2020": (0.6, 0.2, 0.2), "wisesight": (0.1, 0.8, 0.1), "norec_sentence": (0.2, 0.3, 0.5)}
    found = []
    for source, share in shares.items():
        for number, sentiment in enumerate(RNG.choice(3, 300, p=share).tolist()):
            suffix = "-held" if number % 3 == 0 else ""
            found.append(TrainingRow(f"{source}{suffix}", f"{source} {number}", "es", sentiment=sentiment))
    one_sided = frozenset({"neutral"})
    found += [
        TrainingRow("vsmec", f"vsmec {number}", "vi", sentiment=2 * (number % 2), unknown=one_sided)
        for number in range(200)
    ]
    return found


def vectors(given: list[TrainingRow]) -> np.ndarray:
    """Return vectors that show the sentiment, with noise."""
    shown = np.eye(3)[[row.sentiment or 0 for row in given]]
    return (3 * shown + RNG.normal(size=shown.shape)).astype(np.float32)


def test_only_unpublished_rows_are_scored_and_held_out_rows_are_not_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_out, "MOST_LEARNED", 50)
    every = rows()
    chosen = [every[index] for index in sample(every, 0).tolist()]
    learned = [row for row in chosen if not row.source.endswith("-held")]
    assert {source: sum(row.source == source for row in learned) for source in (*SETS, "vsmec")} == dict.fromkeys(
        (*SETS, "vsmec"), 50
    )
    held = [row for row in chosen if row.source.endswith("-held")]
    assert 0 < len(held) < sum(row.source.endswith("-held") for row in every)


def test_every_choice_is_scored_on_every_domain() -> None:
    every = rows()
    scores = dict(compare(every, vectors(every), every))
    adjusted = [choice for choice in CHOICES if choice.adjusted]
    assert len(scores) == len(CHOICES) - len(adjusted) + len(adjusted) * len(STRENGTHS)
    assert all(set(each.domains) == set(SETS) for each in scores.values())
    assert scores["adjusted logits, prior 0.0"].mean > 0.7


def test_a_domain_is_scored_without_its_set() -> None:
    every = rows()
    shuffled = np.array([row.sentiment or 0 for row in every])
    misled = [index for index, row in enumerate(every) if row.source.startswith("tass2020")]
    shown = vectors(every)
    shown[misled] = 3 * np.eye(3, dtype=np.float32)[(shuffled[misled] + 1) % len(SENTIMENTS)]
    scores = dict(compare(every, shown, every))["labels of equal weight"].domains
    assert scores["tass2020"].macro_f1 < 0.2, "its own rows would have shown what its vectors mean"
    assert scores["wisesight"].macro_f1 > 0.5
