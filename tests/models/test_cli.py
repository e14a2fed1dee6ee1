import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MOODS = {"negative": "0", "neutral": "1", "positive": "2"}


def run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "models", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=120, check=False)


def answers(result: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    assert result.returncode == 0, result.stderr.decode()
    return [json.loads(line) for line in result.stdout.decode("utf-8").splitlines()]


def test_enrich_answers_each_line_in_order() -> None:
    lines = [
        b"What a lovely day!",
        b"",
        b"Das ist furchtbar \xff\xfe",
        "\u3053\u3093\u306b\u3061\u306f".encode(),
        b"\x00\x85x\r",
        b"no newline",
    ]
    first, empty, broken, japanese, *rest = answers(run("enrich", "--threads", "1", stdin=b"\n".join(lines)))
    assert len(rest) == 2
    assert set(first) == {"language", "sentiment", "topics", "campaign", "model"}
    assert first["language"]["code"] == "en"
    assert first["language"]["score"] > 0.5
    assert first["sentiment"]["label"] == "positive"
    assert set(first["sentiment"]) == {"label", "negative", "neutral", "positive"}
    assert all(set(topic) == {"name", "score"} for topic in first["topics"])
    assert first["campaign"] == {"name": None, "score": 0.0}
    assert set(first["model"]) == {"name", "version"}
    assert empty["language"] == {"code": "und", "score": 1.0}
    assert broken["language"]["code"] == "de"
    assert japanese["language"]["code"] == "ja"


def test_enrich_scores_campaign_topics(tmp_path: Path) -> None:
    path = tmp_path / "campaign.toml"
    path.write_text(
        'name = "poltwt"\n[[topics]]\nname = "police dogs"\ndescription = "Police dogs and their handlers"\n'
        'examples = ["Our K9 Rex found the missing child", "Unser Diensthund hat Geburtstag"]\n',
        "utf-8",
    )
    dog, other = answers(
        run("enrich", "--topics", str(path), stdin=b"Our police dog Luna found the drugs\nI read a novel about Rome\n")
    )
    assert dog["campaign"]["name"] == "police dogs"
    assert dog["campaign"]["score"] >= 0.5
    assert other["campaign"]["name"] is None


def test_nothing_in_nothing_out() -> None:
    assert answers(run("enrich")) == []


def test_enrich_answers_before_the_input_ends() -> None:
    command = [sys.executable, "-m", "models", "enrich", "--threads", "1"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"hello\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["model"]["name"]
        process.stdin.close()
        assert process.stdout.read() == b""
    assert process.returncode == 0


def folder(path: Path, texts: list[str], labels: list[str]) -> Path:
    path.mkdir(parents=True)
    (path / "val_text.txt").write_text("\n".join(texts), "utf-8")
    (path / "val_labels.txt").write_text("\n".join(labels), "utf-8")
    return path


def test_eval_scores_a_folder_per_language(tmp_path: Path) -> None:
    texts = ["I love this, wonderful!", "I hate this, awful!", "The office opens at nine."]
    moods = [answer["sentiment"]["label"] for answer in answers(run("enrich", stdin="\n".join(texts).encode()))]
    truth = [MOODS[mood] for mood in moods]
    folder(tmp_path / "data" / "english", texts, truth)
    folder(tmp_path / "data" / "other", texts, [truth[1], truth[0], truth[2]])
    result = run("eval", "sentiment", "--data", str(tmp_path / "data"), "--split", "val", "--json")
    (report,) = answers(result)
    assert report["languages"]["english"] == {"macro_f1": 100.0, "posts": 3}
    assert report["languages"]["other"]["macro_f1"] < 100
    assert report["mean"]["macro_f1"] == pytest.approx((100 + report["languages"]["other"]["macro_f1"]) / 2, abs=0.01)
    assert report["model"]["version"]
    table = run("eval", "sentiment", "--data", str(tmp_path / "data"))
    assert b"english      100.00  (3 posts)" in table.stdout


def test_eval_scores_a_folder_by_itself(tmp_path: Path) -> None:
    (report,) = answers(run("eval", "sentiment", "--data", str(folder(tmp_path / "en", ["good"], ["2"])), "--json"))
    assert list(report["languages"]) == ["en"]


def test_unreadable_data_exits_with_65(tmp_path: Path) -> None:
    wrong = folder(tmp_path / "en", ["good", "bad"], ["2", "bad"])
    result = run("eval", "sentiment", "--data", str(wrong))
    assert result.returncode == 65
    assert b"val_labels.txt:2" in result.stderr
    assert run("eval", "sentiment", "--data", str(tmp_path / "none")).returncode == 65
    (tmp_path / "topics.toml").write_text("[[topics]", "utf-8")
    result = run("enrich", "--topics", str(tmp_path / "topics.toml"), stdin=b"x\n")
    assert result.returncode == 65
    assert b"topics.toml" in result.stderr


@pytest.mark.parametrize("arguments", [["enrich", "--threads", "0"], ["eval", "sentiment"], ["nothing"]])
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    assert run(*arguments).returncode == 2


@pytest.mark.parametrize("arguments", [[], ["enrich"], ["eval"], ["eval", "sentiment"]])
def test_help_exits_with_0(arguments: list[str]) -> None:
    result = run(*arguments, "--help")
    assert result.returncode == 0
    assert result.stdout.startswith(b"Usage: python -m models")


def test_serving_loads_neither_torch_nor_transformers() -> None:
    program = "import sys, models.cli; print(sorted({'torch', 'transformers', 'onnx', 'sklearn'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert result.stdout.strip() == b"[]"
