"""`tagpulse up`: run the whole pipeline on this machine for a trial."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import click

from streams.cli.options import Speed
from streams.cli.trial import keep_option, one_interrupt, sample_campaign, shown, trial_folder
from streams.errors import BadInput
from streams.text.terminal import json_text
from streams.up.stage import TrialOptions, Up

REFRESH_SECONDS = 1.0
_PLAIN_SECONDS = 10.0


@click.command("up")
@click.option(
    "--source",
    default="sample",
    show_default=True,
    metavar="sample|bluesky|PATH",
    help="sample: the invented day, shifted to end now; bluesky: live, needs --tag; PATH: a file of posts.",
)
@click.option("--tag", "tags", multiple=True, metavar="HASHTAG", help="bluesky: hashtag to listen to; repeatable.")
@click.option(
    "--speed", type=Speed(), default=60.0, show_default=True, help="Files: speed relative to real time; max: no pacing."
)
@click.option("--postgres", is_flag=True, help="Also store the posts in a separate PostgreSQL server.")
@click.option(
    "--monitoring/--no-monitoring",
    default=True,
    show_default=True,
    help="Run Prometheus and Alertmanager, if they are installed and deploy/ is available.",
)
@keep_option
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per second with the processes, mood and addresses."
)
def command(
    source: str,
    tags: tuple[str, ...],
    speed: float,
    postgres: bool,
    monitoring: bool,
    keep: Path | None,
    as_json: bool,
) -> int:
    """Run the whole pipeline on this machine for a trial, without Docker, until Ctrl-C.

    This includes the broker, producer, workers and monitoring; processes that die are restarted. The broker and the
    database keep nothing: after the trial, only the --keep folder remains. Your settings apply, except those of Kafka,
    topics, ports, the lake and the database. For a live day, see docs/deploy.md.

    \b
    Examples:
      tagpulse up
      tagpulse up --source bluesky --tag caturday --postgres
      tagpulse up --source day.jsonl.gz --speed 600 --keep ./trial
      tagpulse up --json | jq '.processes[] | {name, state, lag}'

    Exit codes: 0 the trial was stopped, 69 the broker is gone.
    """
    if source == "bluesky" and not tags:
        raise click.UsageError("--source bluesky needs a --tag")
    if source not in ("sample", "bluesky") and not Path(source).is_file():
        raise BadInput(f"--source {source}: must be sample, bluesky or an existing file")
    with contextlib.suppress(KeyboardInterrupt), one_interrupt() as check, contextlib.ExitStack() as stack:
        # otherwise the user's own campaign applies
        campaign = stack.enter_context(sample_campaign()) if source == "sample" else None
        folder = stack.enter_context(trial_folder(keep, "up"))
        wanted = TrialOptions(
            source=source, tags=tags, speed=speed, postgres=postgres, monitoring=monitoring, campaign=campaign
        )
        up = stack.enter_context(Up(folder, wanted))
        up.start()
        _watch(up, check, as_json=as_json)
    return 0


def _watch(up: Up, check: Callable[[], None], *, as_json: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    from streams.up.view import line, screen, status

    console = Console()
    live = console.is_terminal
    if as_json:
        display: contextlib.AbstractContextManager[Callable[[], None]] = contextlib.nullcontext(
            lambda: click.echo(json_text(status(up)))
        )
    else:
        display = shown(up, console, lambda: screen(up), lambda: Text(line(up)), live=live, seconds=_PLAIN_SECONDS)
        if not live:
            for name, url in up.urls().items():
                click.echo(f"{name}: {url}")
    with display as show:
        while True:
            up.look()
            show()
            check()
            time.sleep(REFRESH_SECONDS)
