"""Messages of steps whose input is missing, and the completeness of the guide."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from models.errors import TrainingDataError
from models.train_cli import DATA, train
from models.training import commands, data, teacher
from models.training.data import TrainingRow
from models.training.encoder import WHEELS

GUIDE = Path(__file__).parents[3] / "docs" / "training.md"
READERS = {
    "umsab": lambda folder: data.umsab(folder, "train"),
    "semeval2017_4a": data.semeval,
    "afrisenti": lambda folder: data.afrisenti(folder, "dev"),
    "x_topic": data.x_topic,
    "sib200": data.sib200,
    "emosent": data.emosent,
    "lingua_sentences": data.lingua,
    "crisislex_t26": data.crisislex,
}


def step(work: Path, folder: Path, *arguments: str) -> Result:
    command = ["--data", str(folder), "--work", str(work), "--threads", "1", *arguments]
    return CliRunner().invoke(train, command, catch_exceptions=False)


@pytest.mark.parametrize("name", READERS)
def test_a_missing_set_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(TrainingDataError, match=rf"data set {name}: {tmp_path / name}/.* is missing; docs/training.md"):
        list(READERS[name](tmp_path))


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


def test_the_outputs_of_the_teacher_for_other_texts_are_refused(tmp_path: Path) -> None:
    rows = [TrainingRow("set", text) for text in ("one", "two", "three")]
    path = tmp_path / "teacher.npz"
    teacher.write(path, rows, np.array([0, 2]), np.ones((2, 4), np.float16))
    outputs = teacher.read(path, rows)
    assert outputs.known.tolist() == [True, False, True]
    assert outputs.values[:, 0].tolist() == [1, 0, 1]
    with pytest.raises(TrainingDataError, match=r"teacher\.npz was made from other texts"):
        teacher.read(path, rows[::-1])


def test_the_guide_names_every_step_and_set() -> None:
    guide = GUIDE.read_text("utf-8")
    assert [name for name in commands.steps.commands if f"| `{name}` |" not in guide] == []
    assert [name for name in READERS if f"| `{name}` |" not in guide or f"\n{name}/" not in guide] == []
    assert [wheel for wheel in WHEELS if f"`{wheel}`" not in guide] == []
    with pytest.raises(TrainingDataError) as missing:
        next(data.umsab(DATA, "train"))
    assert str(missing.value) in guide
