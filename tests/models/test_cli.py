import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.model_command import answers, run


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
    assert set(first) == {"language", "sentiment", "topics", "emotions", "acts", "campaign", "model"}
    assert first["language"]["code"] == "en"
    assert first["language"]["score"] > 0.5
    assert first["sentiment"]["label"] == "positive"
    assert set(first["sentiment"]) == {"label", "negative", "neutral", "positive"}
    assert all(set(topic) == {"name", "score"} for topic in first["topics"])
    assert first["campaign"] == {"name": None, "score": 0.0}
    assert set(first["model"]) == {"name", "version", "runtime", "precision"}
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
    assert dog["campaign"]["scores"] == {"police dogs": dog["campaign"]["score"]}
    assert other["campaign"]["name"] is None


def test_enrich_weighs_a_language_hint() -> None:
    plain, hinted = (
        answers(run("enrich", "--threads", "1", *arguments, stdin=b"hotel taxi radio\n"))[0]
        for arguments in ([], ["--language-hint", "pt-BR"])
    )
    assert hinted["language"] != plain["language"]
    assert hinted["sentiment"] == plain["sentiment"]


def test_enrich_on_the_wanted_back_end() -> None:
    (answer,) = answers(run("enrich", "--backend", "openvino", "--precision", "f32", stdin=b"hello\n"))
    assert (answer["model"]["runtime"], answer["model"]["precision"]) == ("openvino", "f32")


def test_a_precision_that_the_back_end_does_not_support_exits_with_2() -> None:
    result = run("enrich", "--backend", "openvino", "--precision", "f16", stdin=b"hello\n")
    assert result.returncode == 2
    assert b"f16 needs torch" in result.stderr


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


def test_unreadable_data_exits_with_65(tmp_path: Path) -> None:
    (tmp_path / "topics.toml").write_text("[[topics]", "utf-8")
    result = run("enrich", "--topics", str(tmp_path / "topics.toml"), stdin=b"x\n")
    assert result.returncode == 65
    assert b"topics.toml" in result.stderr


@pytest.mark.parametrize(
    "arguments", [["enrich", "--threads", "0"], ["enrich", "--language-hint", "de,?"], ["nothing"]]
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    assert run(*arguments).returncode == 2


@pytest.mark.parametrize("arguments", [[], ["enrich"]])
def test_help_exits_with_0(arguments: list[str]) -> None:
    result = run(*arguments, "--help")
    assert result.returncode == 0
    assert result.stdout.startswith(b"Usage: python -m models")


def test_serving_loads_neither_torch_nor_transformers() -> None:
    heavy = {"torch", "transformers", "onnx", "onnxruntime", "sklearn", "matplotlib"}
    program = f"import sys, models.cli; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert result.stdout.strip() == b"[]"
