import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from models.cli import main
from models.enrichment import ACTS, EMOTIONS
from models.prior_shift import read_rates
from tests.helpers.model_command import answers, run
from tests.helpers.scripted_model import ScriptedEnricher, answer

MOODS = {"negative": "0", "neutral": "1", "positive": "2"}
TEXTS = ("I love this, wonderful!", "I hate this, awful!", "The office opens at nine.")
TOPICS = """
[[topics]]
name = "police dogs"
description = "Police dogs and their handlers"
examples = ["Our K9 Rex found the missing child", "Unser Diensthund hat Geburtstag"]
"""


def folder(path: Path, texts: tuple[str, ...], labels: list[str]) -> Path:
    path.mkdir(parents=True)
    (path / "val_text.txt").write_text("\n".join(texts), "utf-8")
    (path / "val_labels.txt").write_text("\n".join(labels), "utf-8")
    return path


@pytest.fixture(scope="module")
def moods() -> list[str]:
    """The labels that the model assigns to the texts."""
    enriched = answers(run("enrich", stdin="\n".join(TEXTS).encode()))
    return [MOODS[answer["sentiment"]["label"]] for answer in enriched]


def test_sentiment_of_a_folder_per_language(tmp_path: Path, moods: list[str]) -> None:
    folder(tmp_path / "data" / "english", TEXTS, moods)
    folder(tmp_path / "data" / "other", TEXTS, [moods[1], moods[0], moods[2]])
    rates = tmp_path / "rates.json"
    data = str(tmp_path / "data")
    (report,) = answers(run("eval", "sentiment", "--data", data, "--split", "val", "--json", "--rates", str(rates)))
    assert (report["task"], report["split"]) == ("sentiment", "val")
    english, other = report["languages"]["english"], report["languages"]["other"]
    assert (english["macro_f1"], english["macro_recall"], english["weighted_f1"]) == (100.0, 100.0, 100.0)
    assert english["posts"] == 3
    assert english["confusion"] == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert 0 < english["ece"] < 1
    assert other["macro_f1"] < 100
    assert report["mean"]["macro_f1"] == pytest.approx((100 + other["macro_f1"]) / 2, abs=0.01)
    assert report["confusion"] == report["mean"]["confusion"] == [[1, 0, 1], [0, 2, 0], [1, 0, 1]]
    assert report["ece"] == report["mean"]["ece"]
    assert report["model"]["version"]
    measured = read_rates(rates)
    assert list(measured.languages) == ["en", "other"]
    assert {name: each.language for name, each in measured.domains.items()} == {
        "data english": "en",
        "data other": "other",
    }
    assert measured.model.version == report["model"]["version"]
    table = run("eval", "sentiment", "--data", data)
    assert table.stderr == b""
    (line,) = [line.split() for line in table.stdout.decode().splitlines() if "english" in line]
    assert "100.00" in line


def test_sentiment_of_a_folder_by_itself(tmp_path: Path) -> None:
    (report,) = answers(run("eval", "sentiment", "--data", str(folder(tmp_path / "en", ("good",), ["2"])), "--json"))
    assert list(report["languages"]) == ["en"]


def test_sentiment_draws_plots(tmp_path: Path, moods: list[str]) -> None:
    data = folder(tmp_path / "en", TEXTS, moods)
    result = run("eval", "sentiment", "--data", str(data), "--plots", str(tmp_path / "plots"))
    assert result.returncode == 0, result.stderr.decode()
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"calibration.png", "confusion.png"}


def test_language(tmp_path: Path) -> None:
    (tmp_path / "en.txt").write_text("This is a sentence in English.\n\nAnd here is another one.", "utf-8")
    (tmp_path / "de.txt").write_text("Dies ist ein deutscher Satz.\nC'est une phrase en fran\u00e7ais.", "utf-8")
    (report,) = answers(run("eval", "language", "--data", str(tmp_path), "--json", "--threads", "1"))
    assert report["task"] == "language"
    assert report["languages"]["en"] == {"accuracy": 100.0, "texts": 2, "most_confused": {}}
    assert report["languages"]["de"] == {"accuracy": 50.0, "texts": 2, "most_confused": {"fr": 1}}
    assert (report["mean"], report["accuracy"]) == ({"accuracy": 75.0}, 75.0)
    assert 0 < report["ece"] < 1
    assert "fr 1" in run("eval", "language", "--data", str(tmp_path)).stdout.decode()


def test_topic(tmp_path: Path) -> None:
    posts = [
        {"id": 1, "text": "The band played their new album at the concert tonight", "music": 1, "sports": 0},
        {
            "id": 2,
            "text": "What a goal! The team won the football match",
            "music": 0,
            "sports": 1,
            "topics": ["Sports"],
        },
    ]
    (tmp_path / "en.jsonl").write_text("\n".join(map(json.dumps, posts)), "utf-8")
    (report,) = answers(run("eval", "topic", "--data", str(tmp_path), "--json"))
    assert report["task"] == "topic"
    assert report["files"]["en"]["posts"] == 2
    assert report["topics"]["music"]["recall"] == report["topics"]["sports"]["recall"] == 1.0
    assert report["micro_f1"] == report["files"]["en"]["micro_f1"]
    assert report["macro_f1"] == report["files"]["en"]["macro_f1"]
    assert "sports" in run("eval", "topic", "--data", str(tmp_path)).stdout.decode()


def test_sentiment_of_a_table(tmp_path: Path, moods: list[str]) -> None:
    names = {number: name for name, number in MOODS.items()}
    rows = [f"{code}\t{names[mood]}\t{text}" for code in ("en", "xx") for mood, text in zip(moods, TEXTS, strict=True)]
    (tmp_path / "posts.tsv").write_text("\n".join(("lang\tlabel\ttext", *rows)), "utf-8")
    data = str(tmp_path / "posts.tsv")
    (report,) = answers(run("eval", "sentiment", "--data", data, "--json"))
    assert (report["task"], report["split"], list(report["languages"])) == ("sentiment", None, ["en", "xx"])
    english = report["languages"]["en"]
    assert (english["macro_f1"], english["posts"], english["called_negative"], english["negative"]) == (
        (100.0, 3, 0.3333, 0.3333)
    )
    assert (report["mean"]["macro_f1"], report["called_negative"], report["negative"]) == (100.0, 0.3333, 0.3333)
    assert "100.00" in run("eval", "sentiment", "--data", data).stdout.decode()


class Heads(ScriptedEnricher):
    """A scripted model with emotions and acts."""

    def labels_of(self, head: str) -> tuple[str, ...]:
        return {"emotions": EMOTIONS, "acts": ACTS}[head]


@pytest.mark.parametrize(("task", "label", "other"), [("emotion", "joy", "fear"), ("act", "thanks", "threat")])
def test_labels_of_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, label: str, other: str) -> None:
    model = Heads({"good": answer(emotions=["joy"], acts=["thanks"])})
    monkeypatch.setattr("models.cli_common.Enricher.load", lambda **_: model)
    path = tmp_path / "posts.tsv"
    path.write_text(f"lang\tlabel\ttext\nen\t{label}\tgood\nen\tnone\tmeh\nde\t{label},{other}\tgood\n", "utf-8")
    result = CliRunner().invoke(main, ["eval", task, "--data", str(path), "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert set(report) == {"task", "macro_f1", "micro_f1", "languages", "mean", "labels", "model"}
    assert report["task"] == task
    assert report["languages"] == {
        "de": {"macro_f1": 0.5, "micro_f1": 0.6667, "posts": 1},
        "en": {"macro_f1": 1.0, "micro_f1": 1.0, "posts": 2},
    }
    assert (report["mean"], report["macro_f1"], report["micro_f1"]) == (0.75, 0.5, 0.8)
    assert report["labels"][label] == {"f1": 1.0, "precision": 1.0, "recall": 1.0, "posts": 2}
    table = CliRunner().invoke(main, ["eval", task, "--data", str(path)])
    assert (table.exit_code, label in table.stdout) == (0, True)


def test_a_model_without_the_labels_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Heads, "labels_of", lambda *_: ())
    monkeypatch.setattr("models.cli_common.Enricher.load", lambda **_: Heads({}))
    (tmp_path / "posts.tsv").write_text("lang\tlabel\ttext\nen\tjoy\tgood\n", "utf-8")
    result = CliRunner().invoke(main, ["eval", "emotion", "--data", str(tmp_path / "posts.tsv")])
    assert result.exit_code == 2
    assert "the model scripted 1.2.3 has no emotions: choose a model that has them" in result.stderr


def test_campaign(tmp_path: Path) -> None:
    (tmp_path / "dogs.toml").write_text(TOPICS, "utf-8")
    (tmp_path / "posts.csv").write_text(
        'ID, Text, Kind\n1,"Our police dog Luna found the drugs",police dogs\n2,I read a novel about Rome,books\n',
        "utf-8",
    )
    files = ("--data", str(tmp_path / "posts.csv"), "--topics", str(tmp_path / "dogs.toml"))
    arguments = (*files, "--text-column", "Text", "--label-column", "Kind")
    (report,) = answers(run("eval", "campaign", *arguments, "--json"))
    assert report["topics"]["police dogs"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "auc": 1.0, "posts": 1}
    assert (report["accuracy"], report["coverage"], report["posts"], report["mean_auc"]) == (1.0, 0.5, 2, 1.0)
    assert "police dogs" in run("eval", "campaign", *arguments).stdout.decode()
    wrong = run("eval", "campaign", *arguments[:-1], "Nothing")
    assert wrong.returncode == 65
    assert b"'ID', 'Text', 'Kind'" in wrong.stderr
    (tmp_path / "dogs.toml").write_text("", "utf-8")
    assert run("eval", "campaign", *arguments).returncode == 65


def test_unreadable_data_exits_with_65(tmp_path: Path) -> None:
    wrong = folder(tmp_path / "en", ("good", "bad"), ["2", "bad"])
    result = run("eval", "sentiment", "--data", str(wrong))
    assert result.returncode == 65
    assert b"val_labels.txt:2" in result.stderr
    (tmp_path / "x.jsonl").write_text('{"text": "x", "chess": 1}', "utf-8")
    result = run("eval", "topic", "--data", str(tmp_path))
    assert result.returncode == 65
    assert b"x.jsonl:1: the model does not have the topic 'chess'" in result.stderr
    for task in ("sentiment", "language", "topic", "emotion", "act"):
        assert run("eval", task, "--data", str(tmp_path / "none")).returncode == 65


def test_results_that_cannot_be_written_exit_with_73(tmp_path: Path, moods: list[str]) -> None:
    data = folder(tmp_path / "en", TEXTS, moods)
    result = run("eval", "sentiment", "--data", str(data), "--rates", str(data))
    assert result.returncode == 73
    assert f"{data}: Is a directory".encode() in result.stderr


@pytest.mark.parametrize("arguments", [["sentiment"], ["campaign", "--data", "x.csv"], ["nothing"]])
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    assert run("eval", *arguments).returncode == 2


@pytest.mark.parametrize("arguments", [[], ["sentiment"], ["language"], ["topic"], ["campaign"], ["emotion"], ["act"]])
def test_help_shows_an_example(arguments: list[str]) -> None:
    result = run("eval", *arguments, "--help")
    assert result.returncode == 0
    assert result.stdout.startswith(b"Usage: python -m models eval")
    assert b"  python -m models eval " in result.stdout


def test_a_terminal_is_shown_the_progress(tmp_path: Path) -> None:
    (tmp_path / "en.txt").write_text("This is a sentence in English.", "utf-8")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "models", "eval", "language", "--data", str(tmp_path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        assert process.stdout is not None
        report = json.loads(process.stdout.read())
    shown = os.read(ours, 65_536)
    os.close(ours)
    assert report["task"] == "language"
    assert b"1/1" in shown


def test_agreement_with_full_precision_and_with_itself(tmp_path: Path, moods: list[str]) -> None:
    data = str(folder(tmp_path / "data", TEXTS, moods))
    wanted = ("--data", data, "--backend", "openvino", "--json")
    (same,) = answers(run("eval", "agreement", *wanted, "--precision", "f32"))
    assert same["posts"] == 3
    equal = {"sentiment": 1.0, "language": 1.0, "topics": 1.0, "topic_labels": 1.0}
    assert same["exact"] == equal | {"largest_difference": 0.0}
    assert (same["model"]["precision"], same["reference"]["precision"]) == ("f32", "f32")
    (rounded,) = answers(run("eval", "agreement", *wanted, "--precision", "int8"))
    assert rounded["model"]["precision"] == "int8"
    assert 0 < rounded["exact"]["largest_difference"] < 0.2
    assert rounded["exact"]["topics"] <= rounded["exact"]["topic_labels"] <= 1
    assert rounded["alone"]["largest_difference"] == 0.0, "an answer depends on its neighbours"
    assert "itself, alone" in run("eval", "agreement", "--data", data).stdout.decode()
