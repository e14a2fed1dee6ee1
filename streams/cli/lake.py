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

_execute = click.option("--execute", is_flag=True, help="Apply the changes; without this, only the plan is printed.")
_as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object per folder, one per line.")


@click.group("lake")
def command() -> None:
    """Maintain the Parquet lake: merge small files and remove old days. Workers may keep writing meanwhile.

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
    help="Minimum age of hourly folders; monthly and yearly folders are always compacted.",
)
@_execute
@_as_json
def compact_command(run: str | None, older_than: timedelta, execute: bool, as_json: bool) -> None:
    """Merge the files of each folder by partition, leaving out deleted posts and superseded edits.

    The command can be interrupted at any point, and can be run repeatedly, e.g. every hour.

    \b
    Examples:
      tagpulse lake compact                       show the plan
      tagpulse lake compact --execute
      tagpulse lake compact --run again --older-than 0h --execute
    """
    storage = open_lake(load_settings().lake.path)
    if run is not None:
        require_run(storage, run)
    folders = compact(storage, run=run, before=utc_now() - older_than, execute=execute)
    done = list(_report(folders, as_json))
    if not as_json:
        files, left = sum(each.files for each in done), sum(each.files_after for each in done)
        rows = sum(each.rows - each.rows_after for each in done)
        click.echo(f"{len(done)} folders: {files} files become {left}, {rows} rows dropped{_hint(execute)}")


@command.command("prune")
@click.option("--days", type=click.IntRange(1, MAX_DAYS), help="Age in days; default: TAGPULSE_LAKE__RETENTION_DAYS.")
@_execute
@_as_json
def prune_command(days: int | None, execute: bool, as_json: bool) -> None:
    """Remove posts and spikes older than the given number of days from every run; keep deletions a week longer.

    \b
    Examples:
      tagpulse lake prune --days 90               show the plan
      tagpulse lake prune --days 90 --execute
      TAGPULSE_LAKE__RETENTION_DAYS=90 tagpulse lake prune --execute
    """
    settings = load_settings().lake
    days = days or settings.retention_days
    if days is None:
        raise SettingsError("no retention period: give --days N or set TAGPULSE_LAKE__RETENTION_DAYS=N")
    storage = open_lake(settings.path)
    done = list(_report(prune(storage, days=days, today=utc_now().date(), execute=execute), as_json))
    if not as_json:
        files, size = sum(each.files for each in done), sum(each.bytes for each in done)
        fate = "removed" if execute else "to be removed"
        click.echo(f"{len(done)} folders with {files} files, {size / 2**20:.1f} MiB, {fate}{_hint(execute)}")


def _report(folders: Iterable[Folder], as_json: bool) -> Iterator[Folder]:
    for each in folders:
        if as_json:
            click.echo(json_text(asdict(each)))
        elif isinstance(each, Compacted):
            rows = each.rows - each.rows_after
            click.echo(
                f"{each.folder}: {each.files} files become {each.files_after}, {rows} of {each.rows} rows dropped"
            )
        else:
            click.echo(f"{each.folder}: {each.files} files, {each.bytes / 2**20:.1f} MiB")
        yield each


def _hint(execute: bool) -> str:
    return "" if execute else "; nothing was changed: add --execute"
