from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import pytest
import torch

from models.enrichment import ACTS, EMOTIONS
from models.training import prediction
from models.training.data import NOISY, TrainingRow
from models.training.network import Answers, Exit, MultiHeadNetwork
from models.training.prediction import held_out_scores, macro_f1, predict
from models.training.targets import all_targets, nothing
from tests.models.training.conftest import texts_in_half

CODES = ["de", "en", NOISY]
RNG = np.random.default_rng(0)


def with_bf16(monkeypatch: pytest.MonkeyPatch, enabled: bool) -> None:
    monkeypatch.setattr(prediction, "autocast", lambda: torch.autocast("cpu", torch.bfloat16, enabled=enabled))


def test_answers_come_in_the_order_of_the_indices(network: MultiHeadNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    with_bf16(monkeypatch, False)
    tokens = [np.array([0, *RNG.integers(3, 200, length), 2], np.int32) for length in RNG.integers(1, 30, 90)]
    indices = RNG.permutation(90)[:80]
    found = predict(network.train(), tokens, indices)
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


def test_bf16_is_near(network: MultiHeadNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = [np.array([0, 8, 30 + number, 2], np.int32) for number in range(8)]
    both = []
    for enabled in (True, False):
        with_bf16(monkeypatch, enabled)
        both.append(predict(network, tokens, np.arange(8)).low)
    near, exact = both
    assert near.dtype == torch.float32
    assert 0 < (near - exact).abs().max() < 0.1


def scripted(ids: torch.Tensor, _: torch.Tensor) -> Answers:
    """Answer with what the tokens encode; the shallow exit finds everything negative."""
    sentiment, language = (torch.nn.functional.one_hot(ids[:, place], 3).float() for place in (1, 2))
    negative = torch.tensor([[1.0, 0, 0]]).repeat(len(ids), 1)
    emotions, acts = (
        torch.nn.functional.one_hot(ids[:, place] * (1 + names.index(name)), 1 + len(names)).float()[:, 1:]
        for place, names, name in ((3, EMOTIONS, "anger"), (4, ACTS, "question"))
    )
    mean = torch.zeros(len(ids), 1)
    deepest = {"sentiment": sentiment, "language": language, "emotions": emotions, "acts": acts}
    return Answers(mean, mean, {4: Exit({"sentiment": negative}, mean), 6: Exit(deepest, mean)})


class Scripted:
    """A network that answers as `scripted` does."""

    sizes = SimpleNamespace(exits=(4, 6))
    __call__ = staticmethod(scripted)

    def eval(self) -> Self:
        """Return the network: there is no dropout."""
        return self

    def to(self, _: torch.device) -> Self:
        """Return the network: there are no weights."""
        return self


def test_each_set_is_scored_by_its_own_measure() -> None:
    rows: list[TrainingRow] = []
    tokens: list[Any] = []
    texts = {published: texts_in_half(published, "text") for published in (False, True)}

    def add(
        source: str, language: str, truth: int | None = None, sentiment: int = 0, *, named: str | None = None,
        published: bool = False, emotions: tuple[str, ...] | None = None, acts: tuple[str, ...] | None = None,
        found: tuple[int, int] = (0, 0),
    ) -> None:  # fmt: skip
        text = next(texts[published])
        rows.append(TrainingRow(source, text, language, sentiment=truth, emotions=emotions, acts=acts))
        tokens.append(np.array([0, sentiment, CODES.index(named or language), *found, 2], np.int32))

    add("umsab-val", "en", 0, 0, named="de")
    add("umsab-val", "en", 1, 1)
    add("umsab-val", "en", 2, 1)
    add("umsab-val", "en", 2, 0, published=True)
    add("umsab-val", "de", 0, 0, named="en")
    add("umsab-val", "de", 2, 2)
    add("umsab-val", NOISY, 1, 0)
    for truth in (0, 1):
        add("semeval-2013-held", "en", truth, 0)
    for truth in (1, 2):
        add("afrisenti-dev", "en", truth, truth)
    add("umsab-train", "en", 2, 0)
    for number in range(9):
        add("lingua-held", "de", named="de" if number in {0, 3} else "en")
    add("fragment-held", "en")
    for number in range(6):
        add("brighter-held", "en", emotions=("anger",) if number == 0 else (), found=(number in {0, 1}, 0))
    for question, answer in ((1, 1), (1, 0), (0, 1), (0, 0)):
        add("tweet_acts-held", "en", acts=("question",) * question, found=(0, answer))
    network: Any = Scripted()
    scores = held_out_scores(network, rows, tokens, all_targets(rows, nothing(rows, 8)))
    assert scores == {
        "umsab": pytest.approx(100 * (5 / 9 + 1) / 2, abs=0.01),
        "domains": pytest.approx(100 * (5 / 9 + 1 + 1 / 3 + 1) / 4, abs=0.01),
        "worst domain": pytest.approx(100 / 3, abs=0.01),
        "distance of the negative share": pytest.approx(100 * 0.5 / 4),
        "language umsab-val": 50,
        "language lingua-held": 50,
        "language fragment-held": 100,
        "emotions": 100,
        "acts": 50,
        "  afrisenti en": 100,
        "  semeval-2013": 33.3,
        "  umsab de": 100,
        "  umsab en": 55.6,
    }


def test_macro_f1_is_over_the_labels_that_occur_and_the_rows_that_decide() -> None:
    logits = np.array([[3, 0, 0], [2, 1, 0], [1, 2, 0], [9, 3, 0]], np.float32)
    present = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]], np.bool_)
    decided = np.ones_like(present)
    assert macro_f1(logits, present, decided) == pytest.approx((0.5 + 1) / 2)
    decided[3, 0] = False
    assert macro_f1(logits, present, decided) == 1
