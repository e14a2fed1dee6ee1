"""`tagpulse produce`: send posts from files and networks to Kafka."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sys
from contextlib import closing
from math import inf
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from streams import log
from streams.cli.networks import hashtags_of, tag_option
from streams.cli.options import Speed
from streams.health import Health
from streams.processes.signals import on_stop
from streams.produce import Produce, ProduceSummary
from streams.settings import Settings, load_settings
from streams.sources.base import Source
from streams.sources.cursors import Cursor
from streams.sources.files.lines import STDIN
from streams.sources.files.recorded import RecordedSource
from streams.sources.files.source import FileSource
from streams.sources.files.table import FIELDS, Columns
from streams.sources.registry import NETWORKS
from streams.text.terminal import json_text

_REFRESH_SECONDS = 0.2


class _Sources(click.Group):
    """Has a command for each network, beside `file`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *NETWORKS.names()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if (own := super().get_command(ctx, cmd_name)) or cmd_name not in NETWORKS.names():
            return own

        def listen(tags: tuple[str, ...], as_json: bool) -> int:
            return _listen(cmd_name, tags, as_json)

        return click.command(cmd_name, help=NETWORKS.find(cmd_name).help)(tag_option(_json_option(listen)))


@click.group(cls=_Sources)
def command() -> None:
    """Send posts from a source to Kafka, each one confirmed.

    SIGTERM or Ctrl-C stops the command with exit code 0, and no post is lost.

    \b
    Examples:
      tagpulse produce file day.jsonl
      tagpulse produce file --speed 60 day.jsonl.gz
      tagpulse produce bluesky --tag poltwt
      tagpulse produce mastodon --tag poltwt
      tagpulse produce x --tag poltwt
    """


class _Column(click.ParamType):
    name = "FIELD=NAME"

    def convert(
        self, value: str | tuple[str, str], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        field, equals, column = value.partition("=")
        if not equals or field not in FIELDS:
            self.fail(f"{value!r} is not FIELD=NAME with one of the fields {', '.join(FIELDS)}", param, ctx)
        return field, column


_json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the summary as a JSON object on standard output."
)


@command.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "--format",
    type=click.Choice(["jsonl", "csv", "tsv"]),
    help="Default: derived from the file name, or csv if columns are given.",
)
@click.option(
    "--column",
    "columns",
    type=_Column(),
    multiple=True,
    help=f'CSV: the column of a field, e.g. text="Tweet Text"; fields: {", ".join(FIELDS)}.',
)
@click.option("--created-at-column", metavar="NAME", help="CSV: short for --column created_at=NAME.")
@click.option("--times-from-tweet-ids", is_flag=True, help="CSV: derive the time from the tweet's id.")
@click.option("--source-name", metavar="NAME", help="CSV: the source of every row.")
@click.option(
    "--speed",
    type=Speed(),
    default="max",
    show_default=True,
    help="Speed relative to real time, e.g. 60; max: no pacing.",
)
@click.option(
    "--as",
    "network",
    type=click.Choice(NETWORKS.names()),
    help="Read recordings of `tagpulse record`, or frames of this network, one per line.",
)
@click.option("--tag", "tags", multiple=True, metavar="HASHTAG", help="With --as: also keep this hashtag.")
@click.option("--resume", is_flag=True, help="Continue after the last line confirmed by an earlier --resume.")
@_json_option
def file(
    paths: tuple[str, ...],
    format: str | None,  # noqa: A002
    columns: tuple[tuple[str, str], ...],
    created_at_column: str | None,
    times_from_tweet_ids: bool,
    source_name: str | None,
    speed: float,
    network: str | None,
    tags: tuple[str, ...],
    resume: bool,
    as_json: bool,
) -> int:
    """Send posts from files of JSON lines, CSV or TSV: plain, gzip or Zstandard; - is standard input.

    A JSON line needs source, id, text and created_at (RFC 3339); a line {"type": "deletion", "source": …, "id": …,
    "deleted_at": …} deletes a post. Lines that cannot be read, or whose time is in the future, go to the dead letters,
    and the rest continues.

    \b
    Examples:
      tagpulse produce file day.jsonl
      zcat days/*.gz | tagpulse produce file -
      tagpulse produce file --speed 60 day.jsonl.zst
      tagpulse produce file --as bluesky --tag poltwt recording.zst
      tagpulse produce file tweets.csv --source-name x --times-from-tweet-ids \\
          --column id="Tweet ID" --column text="Tweet Text"
    """
    settings = load_settings()
    log.configure(settings.log)
    if resume and STDIN in paths:
        raise click.UsageError("--resume needs files: standard input cannot be read again")
    if tags and network is None:
        raise click.UsageError("--tag is for --as NETWORK: files of posts are always sent in full")
    mapping = dict(columns) | ({"created_at": created_at_column} if created_at_column else {})
    if mapping or times_from_tweet_ids or source_name:
        if format == "jsonl" or network is not None:
            raise click.UsageError(
                "--column, --created-at-column, --times-from-tweet-ids and --source-name are for CSV and TSV"
            )
        format = "csv"  # noqa: A001
    with contextlib.ExitStack() as stack:
        cursor = None
        if resume:
            cursor = stack.enter_context(closing(Cursor(settings.produce.state_path, "file", _identity(paths))))
        place = cursor.load() if cursor else None
        # reading a paced file takes long, so its cursor must advance with every post
        batch_size = 500 if speed == inf else 1
        source: Source
        if network is not None:
            parser = NETWORKS.find(network)(settings).open_parser(hashtags_of(settings, tags))
            source = RecordedSource(paths, network, parser, cursor=place, batch_size=batch_size)
        else:
            source = FileSource(
                paths,
                max_line_bytes=settings.topics.max_message_bytes,
                format=None if format is None else "jsonl" if format == "jsonl" else "table",
                columns=Columns(mapping=mapping, source=source_name, times_from_tweet_ids=times_from_tweet_ids),
                cursor=place,
                batch_size=batch_size,
            )
        summary = asyncio.run(_run(source, settings, cursor, speed))
    _show(summary, as_json)
    return 0


def _listen(name: str, tags: tuple[str, ...], as_json: bool) -> int:
    settings = load_settings()
    log.configure(settings.log)
    network = NETWORKS.find(name)(settings)
    hashtags = hashtags_of(settings, tags)
    identity = f"{network.identity()} to {settings.topics.raw}"
    with closing(Cursor(settings.produce.state_path, name, identity)) as cursor:
        source = network.open_source(hashtags, cursor.load())
        summary = asyncio.run(_run(source, settings, cursor))
    _show(summary, as_json)
    return 0


def _identity(paths: tuple[str, ...]) -> str:
    return "\n".join(str(Path(path).resolve()) for path in paths)


async def _run(source: Source, settings: Settings, cursor: Cursor | None, speed: float = inf) -> ProduceSummary:
    produce = Produce(source, settings, cursor=cursor, speed=None if speed == inf else speed)
    on_stop(produce.stop)
    health = Health(settings.metrics, f"produce-{source.name}", produce.not_ready, settings.run)
    health.start()
    showing = asyncio.create_task(_show_progress(source, produce.summary)) if sys.stderr.isatty() else None
    try:
        return await produce.run()
    finally:
        health.stop()
        if showing is not None:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)


async def _show_progress(source: Source, summary: ProduceSummary) -> None:
    bar = Progress(
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[rate]:,.0f} posts/s"),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(source.name, total=source.progress[1], rate=0.0)
        while True:
            rate = summary.sent / summary.seconds if summary.seconds else 0.0
            bar.update(task, completed=source.progress[0], total=source.progress[1], rate=rate)
            await asyncio.sleep(_REFRESH_SECONDS)


def _show(summary: ProduceSummary, as_json: bool) -> None:
    if as_json:
        click.echo(json_text(dataclasses.asdict(summary)))
        return
    rate = summary.sent / summary.seconds if summary.seconds else 0.0
    if summary.dead:
        click.echo(
            f"{summary.dead:,} records went to the dead letters, of which {summary.malformed:,} were unreadable lines"
        )
    if summary.repeated_ids:
        click.echo(
            f"{summary.repeated_ids:,} posts share an id with a different post, and sinks keep only one of them:"
            " did a spreadsheet round long ids?"
        )
    click.echo(f"{summary.sent:,} posts and deletions sent and confirmed in {summary.seconds:.1f} s ({rate:,.0f}/s)")
    if summary.stopped:
        place = f" after {summary.place}" if summary.place else ""
        click.echo(f"stopped{place}; {summary.unconfirmed:,} later messages were sent but not confirmed")
