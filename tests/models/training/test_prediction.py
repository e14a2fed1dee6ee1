from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from models.training.data import NOISY, TrainingRow
from models.training.network import Answers, Exit, MultiHeadNetwork
from models.training.prediction import held_out_scores, mean_macro_f1, predict
from models.training.targets import all_targets
from models.training.teacher import nothing

CODES = ["de", "en", NOISY]
RNG = np.random.default_rng(0)


def test_answers_come_in_the_order_of_the_indices(network: MultiHeadNetwork) -> None:
    tokens = [np.array([0, *RNG.integers(3, 200, length), 2], np.int32) for length in RNG.integers(1, 30, 90)]
    indices = RNG.permutation(90)[:80]
    found = predict(network.train(), tokens, indices, bf16=False)
    assert not network.training
    assert found.exits.keys() == {4, 6}
    for place in (0, 1, 40, 79):
        ids = torch.from_numpy(tokens[indices[place]].astype(np.int64))[None]
        with torch.inference_mode():
            alone = network(ids, torch.ones_like(ids))
        assert torch.allclose(found.low[place], alone.low[0], atol=1e-4)
        assert torch.allclose(found.words[place], alone.words[0], atol=1e-4)
        for depth, out in alone.exits.items():
            assert torch.allclose(found.exits[depth].mean[place], out.mean[0], atol=1e-4)
            for name, values in out.heads.items():
                assert torch.allclose(found.exits[depth].heads[name][place], values[0], atol=1e-3)


def test_bf16_is_near(network: MultiHeadNetwork) -> None:
    tokens = [np.array([0, 8, 30 + number, 2], np.int32) for number in range(8)]
    near, exact = (predict(network, tokens, np.arange(8), bf16=bf16).low for bf16 in (True, False))
    assert near.dtype == torch.float32
    assert 0 < (near - exact).abs().max() < 0.1


def scripted(ids: torch.Tensor, _: torch.Tensor) -> Answers:
    """Answer with the sentiment and the language that the tokens encode; the shallow exit finds everything negative."""
    sentiment, language = (torch.nn.functional.one_hot(ids[:, place], 3).float() for place in (1, 2))
    negative = torch.tensor([[1.0, 0, 0]]).repeat(len(ids), 1)
    mean = torch.zeros(len(ids), 1)
    return Answers(
        mean,
        mean,
        {4: Exit({"sentiment": negative}, mean), 6: Exit({"sentiment": sentiment, "language": language}, mean)},
    )


class Scripted:
    """A network that answers as `scripted` does."""

    sizes = SimpleNamespace(exits=(4, 6))
    __call__ = staticmethod(scripted)

    def eval(self) -> None:
        """Do nothing: there is no dropout."""


def test_each_set_is_scored_by_its_own_measure() -> None:
    rows: list[TrainingRow] = []
    tokens: list[Any] = []

    def add(source: str, language: str, truth: int | None, sentiment: int = 0, named: str | None = None) -> None:
        rows.append(TrainingRow(source, f"text {len(rows)}", language, sentiment=truth))
        tokens.append(np.array([0, sentiment, CODES.index(named or language), 2], np.int32))

    for truth, sentiment in ((0, 0), (1, 1), (2, 1)):
        add("umsab-val", "en", truth, sentiment)
    add("umsab-val", "de", 0, 0, named="en")
    add("umsab-val", "de", 2, 2)
    add("umsab-val", NOISY, 1, 0)
    for known, sentiment in ((0, 0), (None, 1), (2, 2), (2, 0)):
        add("hinglish-held", NOISY, known, sentiment)
    for number, truth in enumerate([0, 1, 1, 1, 1, 0, 0, 0, 2]):
        add("semeval-held", "en", truth, truth if number in {0, 4} else (truth + 1) % 3)
    for number in range(13):
        add("afrisenti-dev", "en", 1 + number % 2, 1 + number % 2 if number in {0, 12} else 0)
        add("lingua-held", "de", None, named="de" if number != 12 else "en")
    add("fragment-held", "en", None)
    network: Any = Scripted()
    scores = held_out_scores(network, rows, tokens, all_targets(rows, nothing(rows, 8), nothing(rows, 3)))
    assert scores == {
        "umsab 4": 25,
        "umsab 6": pytest.approx(100 * (5 / 9 + 1) / 2, abs=0.01),
        "hinglish recall": 75,
        "semeval recall": pytest.approx(100 * 2 / 3, abs=0.01),
        "afrisenti": 100,
        "language umsab-val": pytest.approx(100 * 5 / 6, abs=0.01),
        "language lingua-held": 50,
        "language fragment-held": 100,
    }


def test_the_mean_is_over_the_languages_without_the_noisy_one() -> None:
    truth, predicted = RNG.integers(0, 3, 60), RNG.integers(0, 3, 60)
    languages = np.array(["en", "de", NOISY])[np.arange(60) % 3]
    selected = np.arange(60) < 40
    each = [f1_score(truth[:40][place::3], predicted[:40][place::3], average="macro") for place in (0, 1)]
    assert mean_macro_f1(truth, predicted, languages, selected) == pytest.approx(sum(each) / 2)
