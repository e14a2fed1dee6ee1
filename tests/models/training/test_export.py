import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from models.artefact import MODEL_FILE, CampaignCalibration, Label, open_artefact
from models.enrichment import ACTS, EMOTIONS, SENTIMENTS
from models.errors import TrainingDataError
from models.heads import HEADS, Head
from models.training import export, folds, vectors
from models.training.data import TrainingRow
from models.training.domains import is_published
from models.training.export import Calibrated, Rows, calibrate, labels, write
from models.training.heads import logits
from models.training.network import QUERIES, MultiHeadNetwork, Sizes
from models.training.notice import NOTICE_FILE, notice
from models.training.prediction import predict
from models.training.targets import Target, Targets, all_targets, labels_of
from models.training.thresholds import Thresholds
from tests.models.training.conftest import CONFIG, texts_in_half

LANGUAGES = ("de", "en")
TOPICS = ("music", "sports")
COLUMNS = {"language": 3, "sentiment": 3, "topics": 2, "emotions": len(EMOTIONS), "acts": len(ACTS), "vector": 8}
ROWS = [
    *(
        TrainingRow(source, f"{source}{n}", LANGUAGES[n % 2], sentiment=n % 3)
        for source, count in (("umsab-train", 60), ("umsab-val", 30), ("semeval-2013", 30))
        for n in range(count)
    ),
    *(
        TrainingRow(source, f"{source}{n}", LANGUAGES[n % 2])
        for source in ("lingua", "lingua-held", "fragment-held")
        for n in range(30)
    ),
    *(
        TrainingRow(source, f"{source}{n}", "en", topics=(TOPICS[n % 2],))
        for source, count in (("x_topic", 200), ("sib200-held", 60))
        for n in range(count)
    ),
    *(
        TrainingRow(source, f"{source}{n}", LANGUAGES[n % 2], emotions=("joy",) * (n % 3 == 0))
        for source in ("brighter", "brighter-held", "goemotions-held")
        for n in range(30)
    ),
    *(
        TrainingRow(source, f"{source}{n}", LANGUAGES[n % 2], acts=("complaint",) * (n % 3 == 0))
        for source in ("tweet_acts-held", "complaints-held")
        for n in range(30)
    ),
    TrainingRow("lingua-held", next(texts_in_half(True, "in a language without training rows")), "zu"),
]
# The second token determines the sentiment, the third the language, the fourth the topic.
TOKENS = [
    np.array(
        [0, 20 + (row.sentiment or 0), 30 + (row.language == "de"), 40 + (row.topics == ("music",)), 50 + n % 7, 2],
        np.int32,
    )
    for n, row in enumerate(ROWS)
]
CALIBRATED = Calibrated(
    heads={},
    thresholds={
        "topics": Thresholds(np.log(np.array([1, 3], np.float32))),
        "acts": Thresholds(
            np.zeros(len(ACTS), np.float32), {"de": np.log(np.array([3, *[1] * (len(ACTS) - 1)], np.float32))}
        ),
    },
    sentiment_prior={"": (0.0, 0.25, -0.25)},
    language_threshold=0.35,
    campaign=CampaignCalibration(slope=12.5, intercept=-6.25),
    scores={},
)


@pytest.fixture(scope="module")
def trained() -> MultiHeadNetwork:
    """A random network with one exit."""
    torch.manual_seed(0)
    return MultiHeadNetwork(CONFIG, Sizes(COLUMNS, exits=(6,)))


def targets() -> Targets:
    known = np.array([row.source in {"umsab-train", "x_topic"} for row in ROWS])
    values = np.random.default_rng(0).normal(size=(len(ROWS), 8)).astype(np.float16)
    return all_targets(ROWS, Target(values=values, known=known))


@pytest.fixture(scope="module")
def calibrated(trained: MultiHeadNetwork) -> Calibrated:
    """The heads of the random network, fitted and calibrated on the rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "FEWEST_POSTS", 20)
        return calibrate(trained, ROWS, TOKENS, targets(), seed=0)


def test_every_head_has_a_column_for_each_label_even_without_training_rows(calibrated: Calibrated) -> None:
    low, pooled, means = 2 * 64, QUERIES * 64, 3 * 64
    assert {name: head.weight.shape for name, head in calibrated.heads.items()} == {
        "language": (3, low),
        "sentiment": (3, pooled + low),
        "topics": (2, pooled + means),
        "emotions": (len(EMOTIONS), pooled),
        "acts": (len(ACTS), pooled),
        "vector": (8, means),
    }
    assert {name: len(head.bias) for name, head in calibrated.heads.items()} == COLUMNS
    assert list(calibrated.heads) == list(HEADS)


def test_the_language_head_is_measured_on_held_out_rows(calibrated: Calibrated, trained: MultiHeadNetwork) -> None:
    indices = np.array([index for index, row in enumerate(ROWS) if row.source == "lingua-held" and is_published(row)])
    found = logits(calibrated.heads["language"], predict(trained, TOKENS, indices).words.numpy()).argmax(axis=1)
    accuracy = 100 * float(np.mean(found == labels_of(targets()["language"])[indices]))
    assert accuracy == pytest.approx(100 * (1 - 1 / len(indices))), "all but the language without training rows"
    assert calibrated.scores["language lingua-held accuracy"] == pytest.approx(accuracy)
    assert calibrated.scores["language fragment-held accuracy"] == 100
    assert calibrated.scores["language umsab-val accuracy"] == 100
    assert calibrated.language_threshold == 0.5, "no correct answer is doubtful"


def test_the_trained_heads_keep_their_share(calibrated: Calibrated, trained: MultiHeadNetwork) -> None:
    temperature = calibrated.scores["sentiment temperature"]
    for name, divisor in (("sentiment", temperature), ("topics", 1), ("emotions", 1)):
        linear, fitted = trained.heads["6"][name].linear, HEADS[name].fitted
        share = 1 - fitted.share if fitted else 1
        expected = share * linear.weight.detach().numpy() / divisor
        np.testing.assert_allclose(calibrated.heads[name].weight[:, : QUERIES * 64], expected, rtol=1e-5)


def test_what_is_measured_is_named(calibrated: Calibrated) -> None:
    assert calibrated.scores.keys() == {
        *(f"language {name} accuracy" for name in ("lingua-held", "fragment-held", "umsab-val")),
        *(f"campaign AUC {name}" for name in ("x_topic", "sib200-held")),
        "sentiment temperature",
        *(f"{head} {name}" for head in ("topics", "emotions", "acts") for name in ("macro-F1", "micro-F1")),
    }
    assert calibrated.scores["topics macro-F1"] > 0.9
    assert {name: each.overall.shape for name, each in calibrated.thresholds.items()} == {
        "topics": (2,),
        "emotions": (len(EMOTIONS),),
        "acts": (len(ACTS),),
    }


def test_the_prior_is_that_of_the_sets_that_were_collected_as_they_occur(calibrated: Calibrated) -> None:
    assert calibrated.sentiment_prior.keys() == {"", "de", "en"}
    assert all(abs(sum(each)) < 1e-3 for each in calibrated.sentiment_prior.values())


def test_thresholds_are_chosen_by_one_half_and_scored_on_the_other(
    calibrated: Calibrated, trained: MultiHeadNetwork
) -> None:
    parts = folds.split(HEADS["emotions"], ROWS, 0)
    answers = predict(trained, TOKENS, parts.chosen).deepest.heads["emotions"].numpy()[:, EMOTIONS.index("joy")]
    joyful = sum(ROWS[place].emotions == ("joy",) for place in parts.chosen)
    limit = calibrated.thresholds["emotions"].overall[EMOTIONS.index("joy")]
    assert limit in answers
    assert (answers > limit).sum() < joyful <= (answers >= limit).sum()
    assert not calibrated.thresholds["emotions"].overall[EMOTIONS.index("fear")]


def test_without_rows_a_head_cannot_be_calibrated(monkeypatch: pytest.MonkeyPatch, trained: MultiHeadNetwork) -> None:
    monkeypatch.setattr(vectors, "FEWEST_POSTS", 20)
    monkeypatch.setitem(HEADS, "sentiment", replace(HEADS["sentiment"], calibrated_on=("nowhere", "never")))
    with pytest.raises(TrainingDataError, match="no rows to calibrate the head sentiment on: nowhere, never"):
        calibrate(trained, ROWS, TOKENS, targets(), seed=0)


def test_rows_are_found_by_their_source(trained: MultiHeadNetwork) -> None:
    rows = Rows(trained, ROWS, TOKENS, targets())
    assert rows.of("umsab-val").tolist() == list(range(60, 90))
    assert [ROWS[index].source for index in rows.of("lingua", "x_topic")] == ["lingua"] * 30 + ["x_topic"] * 200
    assert rows.of("nowhere").tolist() == []
    indices = np.array([70, 3])
    assert torch.equal(rows.answers(indices).low, predict(trained, TOKENS, indices).low)


def test_the_columns_are_labelled_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        *ROWS,
        TrainingRow("semeval-2013", "of an unknown language", "tlh"),
        TrainingRow("sib200", "x", topics=("health",)),
    ]
    found = labels(rows, "ours", "1.2.3", CALIBRATED)
    assert (found.name, found.version, found.prefix) == ("ours", "1.2.3", "")
    assert found.languages == ("de", "en", "zu")
    assert found.sentiments == SENTIMENTS
    assert found.topics == (Label(name="music", threshold=0.5), Label(name="sports", threshold=0.75))
    assert (found.language_threshold, found.campaign) == (0.35, CALIBRATED.campaign)
    assert found.heads == {
        "emotions": tuple(Label(name=name) for name in EMOTIONS),
        "acts": (
            Label(name="question", threshold=0.5, by_language={"de": 0.75}),
            *(Label(name=name, threshold=0.5) for name in ACTS[1:]),
        ),
    }
    assert found.sentiment_prior == {"": (0.0, 0.25, -0.25)}
    monkeypatch.setitem(HEADS, "emotion", Head(name="emotion", kind="one", weight=1, labels=("calm", "joy")))
    more = labels(rows, "ours", "1.2.3", CALIBRATED).heads
    assert more == found.heads | {"emotion": (Label(name="calm"), Label(name="joy"))}


def test_an_artefact_is_written_that_can_be_opened(tmp_path: Path) -> None:
    (tmp_path / "made.model").write_bytes(b"pieces")
    model = onnx.ModelProto(ir_version=8, producer_name="test")
    wanted = labels(ROWS, "ours", "1.2.3", CALIBRATED)
    folder = tmp_path / "new" / "artefact"
    write(model, tmp_path / "made.model", wanted, {"some score": 0.123456}, ROWS, folder)
    write(model, tmp_path / "made.model", wanted, {"some score": 0.123456}, ROWS, folder)
    opened = open_artefact(folder)
    assert opened.labels == wanted
    assert opened.tokenizer.read_bytes() == b"pieces"
    assert onnx.load(folder / MODEL_FILE) == model
    assert json.loads((folder / export.SCORES_FILE).read_text("utf-8")) == {"some score": 0.1235}
    assert (folder / NOTICE_FILE).read_text("utf-8") == notice("ours 1.2.3", ROWS)
