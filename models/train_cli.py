"""`python -m models train`: its options; the steps themselves are loaded only when one is wanted, with all they need."""

from pathlib import Path

import click

from models.backends.choice import missing_packages
from models.cli_common import failing
from models.errors import MissingExtra

_NEEDED = ("matplotlib", "onnx", "safetensors", "sklearn", "torch")


class _Steps(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return list(_loaded().commands)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return _loaded().commands.get(name)


def _loaded() -> click.Group:
    with failing():
        if missing_packages(*_NEEDED):
            raise MissingExtra("train", "train")
    from models.training.commands import steps

    return steps


@click.group(cls=_Steps)
@click.option("--data", type=click.Path(path_type=Path, exists=True), default=Path("../shared/data"), show_default=True)
@click.option("--work", type=click.Path(path_type=Path), default=Path("build/models"), show_default=True)
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True)
@click.pass_context
def train(context: click.Context, data: Path, work: Path, threads: int) -> None:
    """Make the weights again, step by step.

    Each step reads what the earlier ones left in --work. `fit` goes on where it was stopped.

    \b
    Examples:
      python -m models train --data ../shared/data all
      python -m models train --work build/models export
    """
    from models.training.commands import open_work

    context.obj = open_work(data, work, threads)
