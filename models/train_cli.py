"""`python -m models train`: its options; the steps themselves are loaded only when one is wanted, with all they need."""

from pathlib import Path
from typing import Any

import click

from models.backends.choice import missing_packages
from models.cli_common import failing
from models.errors import MissingBackendExtra

_NEEDED = ("matplotlib", "onnx", "safetensors", "sklearn", "torch")


class _Steps(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return [] if missing_packages(*_NEEDED) else list(_loaded().commands)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return _loaded().commands.get(name)

    def invoke(self, context: click.Context) -> Any:
        with failing():
            return super().invoke(context)


def _loaded() -> click.Group:
    if missing_packages(*_NEEDED):
        raise MissingBackendExtra("train", "train")
    from models.training.commands import steps

    return steps


@click.group(cls=_Steps)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("../shared/data"),
    show_default=True,
    help="Folder with a folder for each data set.",
)
@click.option(
    "--work",
    type=click.Path(path_type=Path),
    default=Path("build/models"),
    show_default=True,
    help="Folder for what the steps leave to each other: 3 GB in the end.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Threads to compute on: one for each core.",
)
@click.pass_context
def train(context: click.Context, data: Path, work: Path, threads: int) -> None:
    """Make the weights again, step by step; `docs/training.md` says where the data come from and how long it takes.

    Each step reads what the earlier ones left in --work. `fit` goes on where it was stopped, and `all` with the first
    step that is not done. Needs `pip install 'tagpulse[train]'`, without which no step is listed.

    \b
    Examples:
      python -m models train --data ../shared/data all --out build/weights
      python -m models train --work build/models export
      python -m models train --data ../shared/data score
    """
    from models.training.commands import open_work

    context.obj = open_work(data, work, threads)
