import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.enrichment import ACTS, EMOTIONS
from models.heads import HEADS
from models.training import fit
from models.training.data import TrainingRow
from models.training.fit import Phase, Trainer, load_average
from models.training.mixture import BATCH
from models.training.network import Answers, Exit, MultiHeadNetwork, Sizes
from models.training.prediction import predict
from models.training.targets import Target, Targets, all_targets, labels_of
from tests.models.training.conftest import CONFIG

MOODS = 3
ROWS = [
    *(TrainingRow("umsab-train", f"t{n}", ("en", "de")[n % 2], sentiment=n % MOODS) for n in range(60)),
    *(TrainingRow("x_topic", f"x{n}", "en", topics=(("music", "sports")[n % 2],)) for n in range(20)),
    *(
        TrainingRow(source, f"{source}{n}", ("en", "de")[n % 2], sentiment=n % MOODS)
        for source in ("umsab-val", "semeval-2013-held", "afrisenti-dev")
        for n in range(12)
    ),
    *(
        TrainingRow(source, f"{source}{n}", ("en", "de")[n % 2])
        for source in ("lingua-held", "fragment-held")
        for n in range(24)
    ),
    *(TrainingRow("brighter-held", f"b{n}", "en", emotions=(("anger",), ())[n % 2]) for n in range(12)),
    *(TrainingRow("tweet_acts-held", f"a{n}", "en", acts=(("question",), ())[n % 2]) for n in range(12)),
]
# The second token determines the sentiment, the third the language.
TOKENS = [
    np.array([0, 20 + (row.sentiment or 0), 30 + (row.language == "de"), 40 + n % 7, 2], np.int32)
    for n, row in enumerate(ROWS)
]
COLUMNS = {"language": 2, "sentiment": 3, "topics": 2, "emotions": len(EMOTIONS), "acts": len(ACTS), "vector": 8}
PHASES = [
    Phase("first", 8 * BATCH, {"umsab": 1.0}),
    Phase("second", 8 * BATCH, {"umsab": 0.7, "topics": 0.3}),
]


def targets() -> Targets:
    vectors = Target(values=np.ones((len(ROWS), 8), np.float16), known=np.arange(len(ROWS)) % 2 == 0)
    return all_targets(ROWS, vectors)


def fresh(dropout: float = 0.0) -> MultiHeadNetwork:
    torch.manual_seed(0)
    return MultiHeadNetwork(CONFIG, Sizes(COLUMNS, exits=(4, 6)), dropout=dropout)


def trainer(
    folder: Path, phases: list[Phase] = PHASES, rate: float = 1e-3, dropout: float = 0.0, start: Path | None = None
) -> Trainer:
    return Trainer(fresh(dropout), ROWS, TOKENS, targets(), phases, folder, rate=rate, seed=0, start=start)


def test_training_learns_and_keeps_a_log(tmp_path: Path) -> None:
    learner = trainer(tmp_path, [Phase("only", 150 * BATCH, {"umsab": 0.8, "topics": 0.2})], rate=2e-3)
    learner.run(75 * BATCH)
    log = [json.loads(line) for line in (tmp_path / fit.LOG).read_text("utf-8").splitlines()]
    assert [entry["texts"] for entry in log] == [75 * BATCH, 150 * BATCH]
    assert log[-1]["umsab"] == 100
    assert log[-1]["language lingua-held"] == 100


def test_a_resumed_run_ends_like_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trainer(tmp_path / "whole", dropout=0.1)
    whole.run(4 * BATCH)
    steps = 0
    loss = fit.loss

    def stopping(*arguments: Any) -> torch.Tensor:
        nonlocal steps
        steps += 1
        if steps == 11:
            raise KeyboardInterrupt
        return loss(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(fit, "loss", stopping)
        with pytest.raises(KeyboardInterrupt):
            trainer(tmp_path / "parts", dropout=0.1).run(4 * BATCH)
    resumed = trainer(tmp_path / "parts", dropout=0.1)
    resumed.run(4 * BATCH)
    ends = [torch.load(tmp_path / name / fit.CHECKPOINT, weights_only=True)["done"] for name in ("whole", "parts")]
    assert ends == [16, 16]
    assert all(
        torch.equal(*pair) for pair in zip(resumed.network.parameters(), whole.network.parameters(), strict=True)
    )
    assert {path.name for path in (tmp_path / "parts").iterdir()} == {fit.CHECKPOINT, fit.LOG, "first.pt", "second.pt"}
    log = [json.loads(line)["texts"] for line in (tmp_path / "parts" / fit.LOG).read_text("utf-8").splitlines()]
    assert log == [4 * BATCH, 8 * BATCH, 12 * BATCH, 16 * BATCH]


def test_training_ends_with_the_average_that_was_saved(tmp_path: Path) -> None:
    learner = trainer(tmp_path)
    learner.run(4 * BATCH)
    again = fresh()
    load_average(again, tmp_path / "second.pt")
    places = np.arange(10)
    found, expected = (predict(each, TOKENS, places) for each in (again, learner.network))
    assert torch.equal(found.deepest.heads["sentiment"], expected.deepest.heads["sentiment"])


def test_a_training_may_begin_with_the_weights_of_another(tmp_path: Path) -> None:
    trainer(tmp_path / "first").run(4 * BATCH)
    end = torch.load(tmp_path / "first" / "second.pt", weights_only=True)["average"]
    second = trainer(tmp_path / "second", rate=0.0, start=tmp_path / "first" / "second.pt")
    second.run(4 * BATCH)
    found = fit.trained_state(second.network)
    assert all(torch.allclose(found[name], each, atol=1e-6) for name, each in end.items())
    assert not torch.allclose(end["layers.0.query.weight"], fresh().layers[0].query.weight)


def test_several_trainings_are_averaged_when_loaded(tmp_path: Path) -> None:
    paths = []
    for number, name in enumerate(("one", "two")):
        network = fresh()
        with torch.no_grad():
            network.heads["words"]["language"].bias += number
        paths.append(tmp_path / f"{name}.pt")
        torch.save({"average": fit.trained_state(network)}, paths[-1])
    both = fresh()
    load_average(both, *paths)
    assert torch.allclose(both.heads["words"]["language"].bias, fresh().heads["words"]["language"].bias + 0.5)
    assert torch.allclose(both.layers[0].query.weight, fresh().layers[0].query.weight)


def test_rows_without_an_answer_do_not_count() -> None:
    network = fresh().train()
    silent = np.array([place for place, row in enumerate(ROWS) if row.source == "lingua-held"][1::2])
    batch = predict(network, TOKENS, silent)
    no_vector = targets()
    value = fit.loss(batch, no_vector, silent)
    language = torch.nn.functional.cross_entropy(
        batch.deepest.heads["language"], torch.from_numpy(labels_of(no_vector["language"])[silent])
    )
    assert value.item() == pytest.approx(0.2 * language.item(), rel=1e-4)


def answered(head: str, logits: torch.Tensor) -> Answers:
    nowhere = torch.zeros(len(logits), 1)
    return Answers(nowhere, nowhere, {6: Exit({head: logits}, nowhere)})


def loss_of(head: str, logits: list[list[float]], target: Target) -> tuple[float, list[list[float]]]:
    """Return the loss of a head alone, divided by the weight of the head, and its gradient by logit."""
    values = torch.tensor(logits, requires_grad=True)
    value = fit.loss(answered(head, values), {head: target}, np.arange(len(logits))) / HEADS[head].weight
    value.backward()
    assert values.grad is not None
    return value.item(), values.grad.tolist()


NEGATIVE = Target(values=np.array([[1, 0, 0]], np.float32), known=np.array([True]))
LOGITS = [[1.0, 5.0, 0.0]]


def test_labels_that_a_set_does_not_have_cost_nothing() -> None:
    silent = replace(NEGATIVE, decided=np.array([[True, False, True]]))
    value, gradient = loss_of("sentiment", LOGITS, silent)
    assert value == pytest.approx(np.log(1 + np.exp(-1)), rel=1e-5)
    assert gradient[0][1] == 0
    assert gradient[0][0] == pytest.approx(-gradient[0][2])


def test_labels_of_several_that_a_set_does_not_have_cost_nothing() -> None:
    width = len(EMOTIONS)
    values, decided = np.zeros((1, width), np.float32), np.ones((1, width), np.bool_)
    values[0, 0], decided[0, 1:] = 1, False
    value, gradient = loss_of("emotions", [[2.0] * width], Target(values=values, known=decided[:, 0], decided=decided))
    assert value == pytest.approx(np.log(1 + np.exp(-2)), rel=1e-5)
    assert gradient[0][1:] == [0] * (width - 1)


def test_the_prior_is_added_in_training_only() -> None:
    shares = np.array([[0.5, 0.25, 0.25]], np.float32)
    value, gradient = loss_of("sentiment", [[0.0, 0.0, 0.0]], replace(NEGATIVE, prior=np.log(shares)))
    assert value == pytest.approx(-np.log(0.5), rel=1e-5)
    assert gradient[0] == pytest.approx([-0.5, 0.25, 0.25])


def test_a_label_that_is_trusted_in_part_pulls_less() -> None:
    _, whole = loss_of("sentiment", LOGITS, NEGATIVE)
    value, gradient = loss_of("sentiment", LOGITS, replace(NEGATIVE, trust=np.array([0.75], np.float32)))
    probabilities = np.exp(LOGITS[0]) / np.exp(LOGITS[0]).sum()
    wanted = 0.75 * np.array([1, 0, 0]) + 0.25 * probabilities
    assert value == pytest.approx(-(wanted * np.log(probabilities)).sum(), rel=1e-5)
    assert gradient[0] == pytest.approx([0.75 * each for each in whole[0]], rel=1e-4)


def test_masks_priors_and_trust_work_together() -> None:
    target = replace(
        NEGATIVE,
        decided=np.array([[True, False, True]]),
        prior=np.log(np.array([[0.25, 0.02, 0.75]], np.float32)),
        trust=np.array([0.5], np.float32),
    )
    value, gradient = loss_of("sentiment", [[0.0, 3.0, 0.0]], target)
    assert gradient[0] == pytest.approx([-0.5 * 0.75, 0, 0.5 * 0.75])
    assert value == pytest.approx(-(0.625 * np.log(0.25) + 0.375 * np.log(0.75)), rel=1e-5)


def test_the_loss_is_divided_by_all_rows() -> None:
    both = Target(values=np.array([[1, 0, 0], [0, 1, 0]], np.float32), known=np.array([True, False]))
    value, gradient = loss_of("sentiment", LOGITS * 2, both)
    assert value == pytest.approx(loss_of("sentiment", LOGITS, NEGATIVE)[0] / 2)
    assert gradient[1] == [0, 0, 0]


def test_a_phase_may_do_without_families() -> None:
    phase = Phase("first", 64, {"umsab": 0.5, "english": 0.2, "act": 0.3})
    found = phase.only({"umsab", "act", "language"})
    assert (found.name, found.texts) == ("first", 64)
    assert found.shares == pytest.approx({"umsab": 0.625, "act": 0.375})
