"""The commands that need an extra, `eval` and `train`, before any of their steps is imported."""

import click
import pytest
from click.testing import CliRunner

from models import cli_common
from models.eval_cli import evaluate
from models.train_cli import train

GROUPS = [(evaluate, "sentiment", "eval"), (train, "fit", "train")]


@pytest.fixture(autouse=True)
def _without_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_common, "missing_packages", lambda *_: ["sklearn"])


@pytest.mark.parametrize(("group", "command", "extra"), GROUPS)
def test_a_missing_extra_is_named_with_its_pip_command(group: click.Group, command: str, extra: str) -> None:
    result = CliRunner().invoke(group, [command])
    assert result.exit_code == 2
    assert f"pip install 'tagpulse[{extra}]'" in result.stderr


@pytest.mark.parametrize(("group", "command", "extra"), GROUPS)
def test_help_needs_no_extra(group: click.Group, command: str, extra: str) -> None:
    result = CliRunner().invoke(group, ["--help"])
    assert result.exit_code == 0
    assert f"pip install 'tagpulse[{extra}]'" in " ".join(result.stdout.split())
