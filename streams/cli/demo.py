"""`tagpulse demo`: run a sample day through the whole pipeline."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from importlib.resources import as_file, files
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from streams.cli.folders import trial_folder
from streams.cli.options import Speed
from streams.processes.broker import Kind
from streams.text.terminal import json_text

if TYPE_CHECKING:
    from rich.console import Console

    from streams.demo.state import Play

_STARTED = time.monotonic()

DAY_SECONDS = 43_200
DEFAULT_SECONDS = 60.0
_PLAIN_SECONDS = 3.0
_INTERRUPTED = 130


@click.command("demo")
@click.option("--speed", type=Speed(), help="Speed relative to real time; max: no pacing.")
@click.option(
    "--duration",
    type=click.FloatRange(1, DAY_SECONDS),
    help=f"Seconds in which to play the 12-hour day, instead of --speed.  [default: {DEFAULT_SECONDS:g}]",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="New or empty folder for the lake and the logs; default: a temporary folder that is removed at exit.",
)
@click.option(
    "--kind",
    type=click.Choice(get_args(Kind)),
    default="embedded",
    show_default=True,
    help="Broker to use. embedded: in memory; apache: from KAFKA_HOME, needs Java.",
)
@click.option("--no-view", is_flag=True, help="Print progress lines instead of the live view.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the summary as one JSON object, and progress on standard error."
)
def command(
    speed: float | None, duration: float | None, keep: Path | None, kind: Kind, no_view: bool, as_json: bool
) -> int:
    """Run a sample day through the whole pipeline and watch it live.

    No account or Docker is needed, and no data leaves this machine.

    An invented day of #poltwt in 15 languages (police dogs, questions, support for an injured officer, and one wave of
    anger) passes through a real broker, the producer and the workers. Ctrl-C stops everything.

    Exit code 0: every post was enriched and stored, or is a dead letter. Of your settings, only TAGPULSE_MODEL__… are
    used.

    \b
    Examples:
      tagpulse demo
      tagpulse demo --duration 180 --keep ./demo    slower, and keeps the lake for your queries
      tagpulse demo --speed max --json | jq .turn
    """
    if speed is not None and duration is not None:
        raise click.UsageError("--speed and --duration set the same thing: give only one of them")
    pace = speed or DAY_SECONDS / (duration or DEFAULT_SECONDS)
    with _one_interrupt() as check:
        try:
            speed = None if pace == inf else pace
            return _run(speed, keep, kind, check, no_view=no_view, as_json=as_json)
        except KeyboardInterrupt:
            click.echo("the demo was interrupted; all its processes have been stopped", err=True)
            return _INTERRUPTED


def _run(
    speed: float | None, keep: Path | None, kind: Kind, check: Callable[[], None], *, no_view: bool, as_json: bool
) -> int:
    from rich.console import Console  # takes half a second, so only after the signal handlers are set

    from streams.demo.play import play

    console = Console(stderr=as_json)
    sample = files("streams.sample_day") / "poltwt.toml"
    with trial_folder(keep, "demo") as folder, as_file(sample) as campaign:
        with _shown(console, live=console.is_terminal and not no_view) as display:

            def show(run: Play) -> None:
                check()
                display(run)

            summary = play(folder, kind=kind, campaign=campaign, speed=speed, show=show, started=_STARTED)
        if as_json:
            click.echo(json_text(summary.to_json()))
        else:
            from streams.demo.report import report

            console.print(report(summary, keep))
    return 0 if summary.is_complete else 1


@contextlib.contextmanager
def _shown(console: Console, *, live: bool) -> Iterator[Callable[[Play], None]]:
    """Yield the function that shows the state of the demo: full-screen, or as a line every few seconds."""
    from streams.demo.report import progress_line
    from streams.demo.view import render

    if not live:
        last = float("-inf")

        def show_line(play: Play) -> None:
            nonlocal last
            if play.now - last >= _PLAIN_SECONDS:
                last = play.now
                console.print(progress_line(play), soft_wrap=True)

        yield show_line
        return

    from rich.live import Live

    with Live(console=console, screen=True, auto_refresh=False) as screen:
        yield lambda play: screen.update(render(play, *console.size), refresh=True)


@contextlib.contextmanager
def _one_interrupt() -> Iterator[Callable[[], None]]:
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
