"""The full training, from an encoder and data folders to a working artefact, on a tiny network and invented posts."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import msgspec
import pytest
import torch
from click.testing import CliRunner, Result
from msgspec import Meta, Struct
from safetensors.torch import save_file

from models import enricher
from models.artefact import TOKENIZER_FILE, WEIGHTS, open_artefact
from models.backends.choice import PACKAGES
from models.enricher import Enricher
from models.enrichment import ACTS, EMOTIONS, Enrichment, LabelScore
from models.heads import HEADS, Fitted, Head
from models.prior_shift import read_rates
from models.tokenizer import Tokenizer
from models.train_cli import train
from models.training import commands, corpus, export, recipe, vectors
from models.training.data import TrainingRow
from models.training.encoder import WHEELS, EncoderConfig
from models.training.mixture import BATCH
from models.training.sets import FAMILIES, SETS, DataSet
from tests.models.training.conftest import text

GUIDE = Path(__file__).parents[3] / "docs" / "training.md"


@pytest.fixture
def work(tmp_path: Path, shipped_tokenizer: Path) -> Path:
    """A work folder with a tiny random encoder in place of the downloaded one."""
    folder = tmp_path / "encoder"
    folder.mkdir()
    shutil.copyfile(shipped_tokenizer, folder / TOKENIZER_FILE)
    pieces = Tokenizer(shipped_tokenizer).size
    config = EncoderConfig(32, 6, 2, 48, pieces, 130, 2, 1e-12, 1)
    settings = {name: getattr(config, name) for name in EncoderConfig.__slots__}
    (folder / "config.json").write_text(json.dumps(settings), "utf-8")
    transformers = pytest.importorskip("transformers", reason="the extra `train` is not installed")
    torch.manual_seed(0)
    bert = transformers.BertModel(transformers.BertConfig(**settings), add_pooling_layer=False)
    save_file(bert.state_dict(), folder / "model.safetensors")
    return tmp_path


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "LINGUA_HELD_OUT", 48)
    monkeypatch.setattr("models.training.data.HINDI_RELIABLE_FROM", {0: 0, 2: 0})
    monkeypatch.setattr(vectors, "FEWEST_POSTS", 20)
    monkeypatch.setattr("models.training.checked.LEAST_POSTS", 1)
    monkeypatch.setattr(recipe, "EXITS", (4, 6))
    monkeypatch.setattr(recipe, "FIT", tuple(replace(phase, texts=3 * BATCH) for phase in recipe.FIT))
    monkeypatch.setattr(recipe, "MEMBERS", {0: "broad", 1: "posts"})
    monkeypatch.setattr("models.training.teacher.SAMPLES", {"lingua": 20, "semeval-2013": 10, "brighter": 10})


def step(work: Path, folder: Path, *arguments: str) -> Result:
    command = ["--data", str(folder), "--work", str(work), "--threads", "1", *arguments]
    return CliRunner().invoke(train, command, catch_exceptions=False)


@pytest.mark.slow
@pytest.mark.usefixtures("_small")
def test_the_shipped_weights_are_scored_without_any_training(tmp_path: Path, tiny_data: Path) -> None:
    result = step(tmp_path / "fresh", tiny_data, "score")
    assert result.exit_code == 0, result.output
    assert "crisis campaign AUC: " in result.stdout
    assert "frozen" not in result.stdout
    assert "step `teacher`" in result.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("_small")
def test_the_curve_of_the_campaign_topics_can_be_fitted_again(tmp_path: Path, tiny_data: Path) -> None:
    weights = tmp_path / "weights"
    shutil.copytree(WEIGHTS, weights)
    before = open_artefact(weights).labels
    result = step(tmp_path / "fresh", tiny_data, "campaign", "--weights", str(weights))
    assert result.exit_code == 0, result.output
    after = open_artefact(weights).labels
    assert after.campaign.slope > 0
    assert after.campaign != before.campaign
    assert msgspec.structs.replace(after, campaign=before.campaign) == before, "nothing else changes"


CALM = ("anger", "calm", "joy")
Share = Annotated[float, Meta(ge=0, le=1)]


class Emotion(Struct, frozen=True, kw_only=True):
    """The answer of an invented head: its label, and the probability of each label."""

    label: str
    anger: Share
    calm: Share
    joy: Share


class MoreAnswers(Enrichment, frozen=True, kw_only=True):
    """An enrichment with the answers of two invented heads."""

    emotion: Emotion | None = None
    wishes: tuple[LabelScore, ...] | None = None


@dataclass(frozen=True, slots=True)
class MoreLabels(TrainingRow):
    """A row with the labels of two invented heads."""

    emotion: tuple[float, ...] | None = None
    wishes: tuple[str, ...] | None = None


def invented(_: Path) -> Iterator[TrainingRow]:
    """Yield posts whose annotators disagree a little about the emotion, and which ask, thank or do neither."""
    for number in range(300):
        shares = tuple(0.8 if index == number % 3 else 0.1 for index in range(3))
        yield MoreLabels(
            "posts", text(number, "posts"), "en", emotion=shares, wishes=((), ("ask",), ("ask", "thank"))[number % 3]
        )


@pytest.fixture
def _more_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add two heads, one of each kind, and the data set that they are trained on."""
    both: dict[str, Any] = {
        "fitted": Fitted(features="means", sources=("posts",), penalty=1e-2, share=0.5),
        "calibrated_on": ("posts-held",),
    }
    emotion = Head(name="emotion", kind="one", weight=0.5, labels=CALM, answer=Emotion, **both)
    wishes = Head(name="wishes", kind="several", weight=0.5, answer=LabelScore, **both)
    for head in (emotion, wishes):
        monkeypatch.setitem(HEADS, head.name, head)
    posts = DataSet(name="posts", family="other", terms="open", weight=100, read=invented)
    monkeypatch.setitem(SETS, "posts", posts)
    monkeypatch.setitem(FAMILIES, "other", (*FAMILIES["other"], "posts"))
    monkeypatch.setattr(
        recipe, "FIT", tuple(replace(each, shares={**each.shares, "other": 0.5}) for each in recipe.FIT)
    )
    monkeypatch.setattr(recipe, "EXITS", (6,))
    monkeypatch.setattr(recipe, "MEMBERS", {0: "broad"})
    monkeypatch.setattr(enricher, "Enrichment", MoreAnswers)


@pytest.mark.slow
@pytest.mark.usefixtures("_small", "_more_heads")
def test_an_added_head_passes_through_every_step(work: Path, tiny_data: Path) -> None:
    out = work / "artefact"
    for arguments in (
        ("vocabulary", "--pieces", "30000"),
        ("teacher",),
        ("fit",),
        ("export", "--out", str(out)),
    ):
        result = step(work, tiny_data, *arguments)
        assert result.exit_code == 0, result.output
    assert {"emotion temperature", "wishes macro-F1"} <= json.loads(
        (out / export.SCORES_FILE).read_text("utf-8")
    ).keys()
    heads = open_artefact(out).labels.heads
    assert [label.name for label in heads["emotion"]] == list(CALM)
    assert [label.name for label in heads["wishes"]] == ["ask", "thank"]
    rows = list(invented(tiny_data))
    for backend in PACKAGES:
        pytest.importorskip(PACKAGES[backend][0])
        served = Enricher.load(out, backend=backend, precision="f32", threads=1)  # type: ignore[arg-type]
        answers: Any = served.enrich([row.text for row in rows])
        found = [CALM.index(answer.emotion.label) for answer in answers]
        assert fmean(label == number % 3 for number, label in enumerate(found)) > 0.8
        assert all(
            sum(getattr(answer.emotion, name) for name in CALM) == pytest.approx(1, abs=1e-3) for answer in answers
        )
        right = [
            {act.name for act in answer.wishes} == set(row.label("wishes"))
            for answer, row in zip(answers, rows, strict=True)
        ]
        assert fmean(right) > 0.8


@pytest.mark.slow
@pytest.mark.usefixtures("_small")
def test_every_step_leads_to_an_artefact_that_serves(work: Path, tiny_data: Path) -> None:
    def output_of(*arguments: str) -> str:
        result = step(work, tiny_data, *arguments)
        assert result.exit_code == 0, result.output
        return result.output

    assert "kept 30000 pieces" in output_of("vocabulary", "--pieces", "30000")
    output_of("teacher")
    out = work / "artefact"
    output = output_of("all", "--out", str(out))
    assert [name for name in ("encoder", "vocabulary", "teacher") if f"{name} is done" not in output] == []
    assert "language lingua-held" in output
    assert read_rates(out / commands.RATES_FILE).model.version == recipe.VERSION
    assert {"calibration.png", "confusion.png"} <= {path.name for path in out.iterdir()}
    scores = json.loads((out / export.SCORES_FILE).read_text("utf-8"))
    assert set(scores) >= {
        "language lingua-held accuracy",
        "topics macro-F1",
        "emotions macro-F1",
        "acts macro-F1",
        "campaign AUC sib200-held",
    }

    scored = dict(line.split(": ") for line in output_of("score", "--weights", str(out)).splitlines())
    assert {"semeval-2013 called negative", "umsab mean macro-F1", "domains worst macro-F1"} <= set(scored)
    assert {"lingua-held language accuracy", "halves of two languages, one of them named"} <= set(scored)
    assert {"brighter-held emotions macro-F1, mean over languages", "complaints-held complaint F1"} <= set(scored)
    assert "crisis campaign AUC, frozen" in scored
    assert all(0 <= float(value) <= 100 for value in scored.values())

    labels = open_artefact(out).labels
    assert labels.version == recipe.VERSION
    assert {topic.name for topic in labels.topics} == {"music", "sports"}
    assert {name: tuple(label.name for label in each) for name, each in labels.heads.items()} == {
        "emotions": EMOTIONS,
        "acts": ACTS,
    }
    assert "" in labels.sentiment_prior
    texts = ["love wonderful day", "hate awful bus", ""]
    enricher = Enricher.load(out, threads=1, cache_size=0)
    together = enricher.enrich(texts)
    assert [enricher.enrich([text])[0] for text in texts] == together


def test_a_member_needs_the_one_before_it(work: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "MEMBERS", {4: "broad", 7: "last"})
    with monkeypatch.context() as patch:
        patch.setattr(commands.Work, "targets", {})
        patch.setattr("models.training.folds.for_training", lambda targets, rows, seed: targets)
        result = step(work, tiny_data, "fit", "--member", "7")
    assert result.exit_code == 65
    assert "member4/last.pt is missing: run the step `fit` first" in result.stderr
    result = step(work, tiny_data, "fit", "--member", "5")
    assert result.exit_code == 2
    assert "5 is not one of 4, 7" in result.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("_small")
def test_the_open_sets_suffice_for_every_step(work: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "EXITS", (6,))
    monkeypatch.setattr(recipe, "MEMBERS", {0: "broad"})
    out = str(work / "artefact")
    for arguments in (
        ("vocabulary", "--pieces", "30000"),
        ("teacher",),
        ("fit",),
        ("export", "--out", out),
        ("score", "--weights", out),
    ):
        result = step(work, tiny_data, "--open-terms", *arguments)
        assert result.exit_code == 0, result.output
    assert "wisesight macro-F1: " in result.stdout
    assert "goemotions-held support F1: " in result.stdout
    assert not any(f"\n{name} macro-F1: " in result.stdout for name, each in SETS.items() if each.terms != "open")
    log = [json.loads(line) for line in (work / "member0" / "log.jsonl").read_text("utf-8").splitlines()]
    assert not any("semeval-2013" in name for entry in log for name in entry)


def test_without_the_other_sets_the_families_keep_their_proportions(tmp_path: Path) -> None:
    phases = commands.open_work(tmp_path, tmp_path / "work", torch.get_num_threads(), open_terms=True).phases
    for phase, whole in zip(phases, recipe.FIT, strict=True):
        assert phase.shares.keys() == whole.shares.keys() - {"english"}
        assert sum(phase.shares.values()) == pytest.approx(1)
        assert phase.shares["umsab"] / phase.shares["act"] == pytest.approx(whole.shares["umsab"] / whole.shares["act"])
        assert (phase.name, phase.texts) == (whole.name, whole.texts)
    assert commands.Work(tmp_path, tmp_path).phases == recipe.FIT


def test_a_missing_set_ends_a_step(tmp_path: Path) -> None:
    result = step(tmp_path / "work", tmp_path / "nothing", "score")
    assert result.exit_code == 65
    assert "Error: the data set" in result.stderr
    assert f"{tmp_path / 'nothing'}" in result.stderr


@pytest.mark.parametrize(
    ("name", "first"),
    [("vocabulary", "encoder"), ("teacher", "vocabulary"), ("fit", "teacher"), ("export", "encoder")],
)
def test_a_step_names_the_one_before_it(name: str, first: str, tmp_path: Path, tiny_data: Path) -> None:
    result = step(tmp_path, tiny_data, name)
    assert result.exit_code == 65
    assert f"run the step `{first}` first" in result.stderr


def test_the_guide_names_every_step_and_wheel() -> None:
    guide = GUIDE.read_text("utf-8")
    assert [name for name in commands.steps.commands if f"| `{name}` |" not in guide] == []
    assert [wheel for wheel in WHEELS if f"`{wheel}`" not in guide] == []
