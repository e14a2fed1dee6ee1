"""`tagpulse runs`: list, show and drop runs, i.e. the live day and its replays."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.table import Table

from streams.cli.console import console
from streams.cli.options import sinks_option
from streams.errors import BadInput
from streams.replay.runs import Run, drop, list_runs
from streams.settings import Settings, load_settings
from streams.sinks.registry import chosen_sinks
from streams.text.terminal import json_text


@click.group()
def command() -> None:
    """List, show and drop runs: the live day and its replays.

    \b
    Examples:
      tagpulse runs list
      tagpulse runs show again
      tagpulse runs drop again --execute
    """


@command.command("list")
@sinks_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object per run.")
def list_(sinks: tuple[str, ...], as_json: bool) -> None:
    """List every run with its state, its topics and the number of its posts in each sink.

    \b
    Examples:
      tagpulse runs list
      tagpulse runs list --sink parquet --json
    """
    settings = load_settings()
    names = chosen_sinks(sinks, settings)
    runs = list_runs(settings, names)
    if as_json:
        for run in runs:
            click.echo(json_text(run))
        return
    table = Table("run", "state", "topics", *(f"posts in {sink}" for sink in names), "read", "enriched", "dead")
    for run in runs:
        stored = [f"{run.posts[sink]:,}" if sink in run.posts else "" for sink in names]
        manifest = run.manifest
        counts = [f"{manifest.read:,}", f"{manifest.enriched:,}", f"{manifest.dead:,}"] if manifest else [""] * 3
        table.add_row(run.name, run.state, str(len(run.topics)), *stored, *counts)
    console().print(table)


@command.command()
@click.argument("name")
@sinks_option
def show(name: str, sinks: tuple[str, ...]) -> None:
    """Show a run with its manifest, as JSON.

    \b
    Examples:
      tagpulse runs show again | jq .manifest.hashtags
    """
    settings = load_settings()
    click.echo(json_text(_find(settings, name, chosen_sinks(sinks, settings)), indent=2))


@command.command("drop")
@click.argument("name")
@sinks_option
@click.option("--execute", is_flag=True, help="Drop the run; without this, only the plan is shown.")
def drop_(name: str, sinks: tuple[str, ...], execute: bool) -> None:
    """Remove a replay: its topics, committed offsets, rows in the sinks, state and logs.

    \b
    Examples:
      tagpulse runs drop again
      tagpulse runs drop again --execute
    """
    settings = load_settings()
    names = chosen_sinks(sinks, settings)
    run = _find(settings, name, names)
    for topic in run.topics:
        click.echo(f"topic {topic}")
    for sink, posts in run.posts.items():
        click.echo(f"{posts:,} posts in {sink}")
    if not execute:
        click.echo(f"nothing was done: `tagpulse runs drop {name} --execute` removes these")
        return
    for sink, posts in drop(settings, run, names).items():
        click.echo(f"{sink}: {posts:,} posts removed")
    click.echo(f"dropped the run {name}")


def _find(settings: Settings, name: str, sinks: Sequence[str]) -> Run:
    runs = {run.name: run for run in list_runs(settings, sinks)}
    if name not in runs:
        raise BadInput(f"there is no run {name!r}: the runs are {', '.join(runs)}")
    return runs[name]
