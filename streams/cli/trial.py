"""What `tagpulse up` and `tagpulse demo` share: the folder, the campaign of the sample day, interrupts and the display."""

from __future__ import annotations

import contextlib
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from importlib.resources import as_file, files
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.errors import BadInput, TagpulseError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

    from streams.processes.process import State
    from streams.up.stage import Up

keep_option = click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="New or empty folder for the lake and the logs; default: a temporary folder that is removed at exit.",
)


def sample_campaign() -> AbstractContextManager[Path]:
    """Provide the campaign file of the sample day."""
    return as_file(files("streams.sample_day") / "poltwt.toml")


@contextlib.contextmanager
def trial_folder(keep: Path | None, command: str) -> Iterator[Path]:
    """Yield the working folder: `keep`, which must be new or empty, or else a temporary folder.

    A temporary folder is kept only if the command fails with a TagpulseError, so that its logs can be read.

    Raises:
        BadInput: If `keep` cannot be used.
    """
    if keep is None:
        folder = Path(tempfile.mkdtemp(prefix=f"tagpulse-{command}-"))
        try:
            yield folder
        except TagpulseError:
            raise
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
        if next(keep.iterdir(), None) is not None:
            raise BadInput(f"--keep {keep}: the folder is not empty: choose a new or an empty one")
    except OSError as error:
        raise BadInput(f"--keep {keep}: cannot be used: {error}") from None
    yield keep.resolve()


@contextlib.contextmanager
def one_interrupt() -> Iterator[Callable[[], None]]:
    """Raise KeyboardInterrupt on the first Ctrl-C or SIGTERM, and ignore later ones while the processes are stopped.

    Yields a function that raises it again, because Python loses an interrupt that is raised during garbage collection.
    """
    interrupted = False

    def check() -> None:
        if interrupted:
            raise KeyboardInterrupt

    def interrupt(*_: object) -> None:
        nonlocal interrupted
        interrupted = True
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def shown(
    up: Up,
    console: Console,
    screen: Callable[[], RenderableType],
    line: Callable[[], Text],
    *,
    live: bool,
    seconds: float,
) -> Iterator[Callable[[], None]]:
    """Yield the function that shows a trial: full-screen, or as a line every `seconds` and when a state changes."""
    if live:
        from rich.live import Live

        with Live(console=console, screen=True, auto_refresh=False) as display:
            yield lambda: display.update(screen(), refresh=True)
        return
    last: list[State] = []
    at = -inf

    def show_line() -> None:
        nonlocal last, at
        states, now = up.states, time.monotonic()
        if states != last or now - at >= seconds:
            last, at = states, now
            console.print(line(), soft_wrap=True)

    yield show_line
