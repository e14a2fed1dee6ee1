"""The command `python -m models train` before any step is imported."""

import pytest
from click.testing import CliRunner

from models import train_cli
from models.train_cli import train


@pytest.fixture
def _without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_cli, "missing_packages", lambda *_: ["torch"])


@pytest.mark.usefixtures("_without_torch")
def test_a_missing_extra_is_named_with_its_pip_command() -> None:
    result = CliRunner().invoke(train, ["fit"])
    assert result.exit_code == 2
    assert "pip install 'tagpulse[train]'" in result.stderr


@pytest.mark.usefixtures("_without_torch")
def test_help_needs_no_extra() -> None:
    result = CliRunner().invoke(train, ["--help"])
    assert result.exit_code == 0
    assert "pip install 'tagpulse[train]'" in " ".join(result.stdout.split())
