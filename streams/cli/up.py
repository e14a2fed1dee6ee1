"""`tagpulse up`: run the whole pipeline on this machine for a trial."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from importlib.resources import as_file, files
from pathlib import Path

import click

from streams.cli.folders import trial_folder
from streams.cli.options import Speed
from streams.errors import BadInput
from streams.signals import on_stop
from streams.text.terminal import json_text
from streams.up.stage import TrialOptions, Up

_REFRESH_SECONDS = 1.0
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
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="New or empty folder for the lake and the logs; default: a temporary folder that is removed at exit.",
)
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
    topics, ports, the lake and the database. For a live day see docker-compose.yml.

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
    stop = threading.Event()
    on_stop(stop.set)
    pace = "max" if speed == float("inf") else f"{speed:g}"
    with _campaign(source) as campaign, trial_folder(keep, "up") as folder:
        wanted = TrialOptions(
            source=source, tags=tags, speed=pace, postgres=postgres, monitoring=monitoring, campaign=campaign
        )
        with Up(folder, wanted) as up:
            up.start()
            _watch(up, stop, as_json=as_json)
    return 0


def _watch(up: Up, stop: threading.Event, *, as_json: bool) -> None:
    with _shown(up, as_json=as_json) as show:
        while not stop.is_set():
            up.look()
            show()
            stop.wait(_REFRESH_SECONDS)


@contextlib.contextmanager
def _shown(up: Up, *, as_json: bool) -> Iterator[Callable[[], None]]:
    """Yield the function that shows the trial: JSON lines, full-screen, or a line at intervals and on state changes."""
    from rich.console import Console

    from streams.up.view import line, screen, status

    console = Console()
    if as_json:
        yield lambda: click.echo(json_text(status(up)))
    elif console.is_terminal:
        from rich.live import Live

        with Live(console=console, screen=True, auto_refresh=False) as live:
            yield lambda: live.update(screen(up), refresh=True)
    else:
        for name, url in up.urls().items():
            click.echo(f"{name}: {url}")
        progress = _ProgressLines(lambda: line(up), lambda: [part.state for part in up.parts])
        yield progress.show


class _ProgressLines:
    def __init__(self, line: Callable[[], str], states: Callable[[], list[str]]) -> None:
        self._line, self._states = line, states
        self._last_states: list[str] = []
        self._at = 0.0

    def show(self) -> None:
        states, now = self._states(), time.monotonic()
        if states != self._last_states or now - self._at >= _PLAIN_SECONDS:
            self._last_states, self._at = states, now
            click.echo(self._line())


@contextlib.contextmanager
def _campaign(source: str) -> Iterator[Path | None]:
    """Yield the campaign file of the sample day, or None so that the user's own campaign applies."""
    if source != "sample":
        yield None
        return
    with as_file(files("streams.sample_day") / "poltwt.toml") as path:
        yield path
