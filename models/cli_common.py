"""What the commands of `python -m models` share: options, exit codes, and how an error ends them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn, get_args

import click

from models.backends.choice import WantedBackend, WantedPrecision
from models.errors import ArtefactError, BackendError, ModelError, PlotsMissingError

BAD_DATA = 65
"""Exit code for input that cannot be read (EX_DATAERR of sysexits.h)."""

BROKEN_INSTALL = 70
"""Exit code for damaged model files (EX_SOFTWARE)."""

CANNOT_WRITE = 73
"""Exit code for results that cannot be written (EX_CANTCREAT)."""

backend_option = click.option(
    "--backend",
    type=click.Choice(get_args(WantedBackend)),
    default="auto",
    show_default=True,
    help="What computes; auto takes the fastest that is installed.",
)
precision_option = click.option(
    "--precision",
    type=click.Choice(get_args(WantedPrecision)),
    default="auto",
    show_default=True,
    help="Numbers it computes in; auto takes what is fast and exact on this processor.",
)
threads_option = click.option("--threads", type=click.IntRange(min=1), help="Threads to compute on.  [default: all]")


def fail(error: ModelError) -> NoReturn:
    """End with the message and the exit code of an error."""
    if isinstance(error, BackendError | PlotsMissingError):
        raise click.UsageError(str(error)) from error
    click.echo(f"Error: {error}", err=True)
    sys.exit(BROKEN_INSTALL if isinstance(error, ArtefactError) else BAD_DATA)


@contextmanager
def failing() -> Iterator[None]:
    """Let an error inside end the program as `fail` does."""
    try:
        yield
    except ModelError as error:
        fail(error)


@contextmanager
def writing() -> Iterator[None]:
    """Let what cannot be written inside end the program."""
    try:
        yield
    except OSError as error:
        click.echo(f"Error: {error.filename}: {error.strerror}", err=True)
        sys.exit(CANNOT_WRITE)
