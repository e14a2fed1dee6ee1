import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from models.train_cli import train


@pytest.fixture(autouse=True)
def _threads_of_torch() -> Iterator[None]:
    torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def called(*arguments: str) -> Result:
    return CliRunner().invoke(train, arguments)


def test_help_lists_the_steps_in_their_order() -> None:
    result = called("--help")
    assert result.exit_code == 0, result.output
    listed = [line.split()[0] for line in result.stdout.partition("Commands:")[2].splitlines() if line.strip()]
    order = ["encoder", "vocabulary", "teacher", "fit", "export", "report", "score", "all"]
    assert [step for step in listed if step in order] == order
    assert "pseudo-labels" not in result.stdout
    assert "--open-terms" in result.stdout
    assert "[default: build/data]" in " ".join(result.stdout.split())


def test_the_options_reach_the_step(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    result = called("--data", str(tmp_path / "data"), "--work", str(tmp_path / "new" / "work"), "--threads", "3", "fit")
    assert result.exit_code == 65
    assert (tmp_path / "new" / "work").is_dir()
    assert str(tmp_path / "data") in result.stderr
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("arguments", [("--threads", "0", "fit"), ("nothing",)])
def test_wrong_usage_is_refused(arguments: tuple[str, ...], tmp_path: Path) -> None:
    assert called("--work", str(tmp_path), *arguments).exit_code == 2


def test_the_packages_of_the_extra_are_not_loaded_before_a_step_is_used() -> None:
    program = "import sys, models.train_cli; print({'torch', 'sklearn', 'onnx', 'rich'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    assert result.stdout.strip() == b"set()"
