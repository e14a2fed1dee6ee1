"""`tagpulse demo`: run a sample day through the whole pipeline."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import click

from streams.cli.options import Speed
from streams.cli.trial import keep_option, one_interrupt, sample_campaign, shown, trial_folder
from streams.processes.broker import Kind
from streams.text.terminal import json_text

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
@keep_option
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
    speed = speed or DAY_SECONDS / (duration or DEFAULT_SECONDS)
    with one_interrupt() as check:
        try:
            return _run(speed, keep, kind, check, no_view=no_view, as_json=as_json)
        except KeyboardInterrupt:
            click.echo("the demo was interrupted; all its processes have been stopped", err=True)
            return _INTERRUPTED


def _run(
    speed: float, keep: Path | None, kind: Kind, check: Callable[[], None], *, no_view: bool, as_json: bool
) -> int:
    from rich.console import Console  # takes half a second, so only after the signal handlers are set

    from streams.demo.play import play, prepare
    from streams.demo.report import progress_line, report
    from streams.demo.view import render

    console = Console(stderr=as_json)
    with trial_folder(keep, "demo") as folder, sample_campaign() as campaign:
        run = prepare(folder, kind=kind, campaign=campaign, speed=speed, started=_STARTED)
        live = console.is_terminal and not no_view
        with shown(
            run.stage,
            console,
            lambda: render(run, *console.size),
            lambda: progress_line(run),
            live=live,
            seconds=_PLAIN_SECONDS,
        ) as display:

            def show() -> None:
                check()
                display()

            summary = play(run, show)
        if as_json:
            click.echo(json_text(summary.to_json()))
        else:
            console.print(report(summary, keep))
    return 0 if summary.is_complete else 1
