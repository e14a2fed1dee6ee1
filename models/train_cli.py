"""The command `python -m models train`; the steps and their dependencies are imported only when needed."""

from pathlib import Path

import click

from models.cli_common import OptionalGroup

DATA = Path("build/data")

_NEEDED = ("matplotlib", "onnx", "safetensors", "sklearn", "torch")


def _steps() -> click.Group:
    from models.training.commands import steps

    return steps


@click.group(cls=OptionalGroup, extra="train", packages=_NEEDED, load=_steps)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=DATA,
    show_default=True,
    help="Folder with one subfolder per data set.",
)
@click.option(
    "--work",
    type=click.Path(path_type=Path),
    default=Path("build/models"),
    show_default=True,
    help="Folder for intermediate results; it grows to 3 GB.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Number of compute threads; use one per core.",
)
@click.option(
    "--open-terms",
    is_flag=True,
    help="Leave out all data sets whose terms are limited to research or not stated; use a --work of its own.",
)
@click.pass_context
def train(context: click.Context, data: Path, work: Path, threads: int, open_terms: bool) -> None:
    """Reproduce the weights, step by step.

    Each step reads the results of earlier steps from --work. `fit` resumes where it was interrupted, and `all` resumes
    with the first step that is not done. Needs `pip install 'tagpulse[train]'`; without it, no steps are listed.
    docs/training.md describes the data sources and run times.

    \b
    Examples:
      python -m models train all --out build/weights
      python -m models train --work build/models export
      python -m models train --data ~/posts score
    """
    from models.training.commands import open_work

    context.obj = open_work(data, work, threads, open_terms=open_terms)
