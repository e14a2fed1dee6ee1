"""`tagpulse lake`: compaction and retention of the Parquet lake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import timedelta
from typing import TypeVar

import click

from streams.cli.options import Age
from streams.contracts import utc_now
from streams.errors import SettingsError
from streams.settings import load_settings
from streams.settings.types import MAX_DAYS
from streams.sinks.lake.compact import Compacted, compact
from streams.sinks.lake.files import require_run
from streams.sinks.lake.opening import open_lake
from streams.sinks.lake.prune import Pruned, prune
from streams.text.terminal import json_text

Folder = TypeVar("Folder", Compacted, Pruned)

_execute = click.option("--execute", is_flag=True, help="Do it; without this the plan is printed and nothing changes.")
_as_json = click.option("--json", "as_json", is_flag=True, help="A JSON object for each folder, one a line.")


@click.group("lake")
def command() -> None:
    """Look after the Parquet lake: merge its small files, remove its old days. Workers may write meanwhile.

    \b
    Examples:
      tagpulse lake compact
      tagpulse lake compact --execute
      tagpulse lake prune --days 90 --execute
    """


@command.command("compact")
@click.option("--run", metavar="NAME", help="Only this run; default: all runs.")
@click.option(
    "--older-than",
    type=Age(),
    default="1h",
    show_default=True,
    help="Minimum age of an hour; folders of a month or a year are always compacted.",
)
@_execute
@_as_json
def compact_command(run: str | None, older_than: timedelta, execute: bool, as_json: bool) -> None:
    """Merge the files of each folder by partition, without deleted posts and superseded edits.

    It may be interrupted at any point and run again, e.g. every hour.

    \b
    Examples:
      tagpulse lake compact                       what it would do
      tagpulse lake compact --execute
      tagpulse lake compact --run again --older-than 0h --execute
    """
    storage = open_lake(load_settings().lake.path)
    if run is not None:
        require_run(storage, run)
    folders = compact(storage, run=run, before=utc_now() - older_than, execute=execute)
    done = list(_told(folders, as_json))
    if not as_json:
        files, left = sum(each.files for each in done), sum(each.files_after for each in done)
        rows = sum(each.rows - each.rows_after for each in done)
        click.echo(f"{len(done)} folders: {files} files become {left}, {rows} rows go{_ending(execute)}")


@command.command("prune")
@click.option("--days", type=click.IntRange(1, MAX_DAYS), help="Default: TAGPULSE_LAKE__RETENTION_DAYS.")
@_execute
@_as_json
def prune_command(days: int | None, execute: bool, as_json: bool) -> None:
    """Remove posts and spikes that are older than the given number of days, of every run; deletions stay a week longer.

    \b
    Examples:
      tagpulse lake prune --days 90               what would go
      tagpulse lake prune --days 90 --execute
      TAGPULSE_LAKE__RETENTION_DAYS=90 tagpulse lake prune --execute
    """
    settings = load_settings().lake
    days = days or settings.retention_days
    if days is None:
        raise SettingsError("how old? --days N or TAGPULSE_LAKE__RETENTION_DAYS=N")
    storage = open_lake(settings.path)
    done = list(_told(prune(storage, days=days, today=utc_now().date(), execute=execute), as_json))
    if not as_json:
        files, size = sum(each.files for each in done), sum(each.bytes for each in done)
        click.echo(f"{len(done)} folders with {files} files, {size / 2**20:.1f} MiB, go{_ending(execute)}")


def _told(folders: Iterable[Folder], as_json: bool) -> Iterator[Folder]:
    for each in folders:
        if as_json:
            click.echo(json_text(asdict(each)))
        elif isinstance(each, Compacted):
            rows = each.rows - each.rows_after
            click.echo(f"{each.folder}: {each.files} files become {each.files_after}, {rows} of {each.rows} rows go")
        else:
            click.echo(f"{each.folder}: {each.files} files, {each.bytes / 2**20:.1f} MiB")
        yield each


def _ending(execute: bool) -> str:
    return "" if execute else "; nothing is changed without --execute"
