"""`tagpulse replay`: replay a day, or part of it, as a separate run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from streams import log
from streams.campaign import load_campaign
from streams.cli.console import console
from streams.cli.options import Speed, TimeType, check_span
from streams.contracts import normalise_hashtags, partition_name
from streams.health import Health
from streams.model import load_enricher
from streams.processes.signals import on_stop
from streams.replay.files import FileReader, MessageReader
from streams.replay.kafka import KafkaReader
from streams.replay.manifest import Manifest
from streams.replay.plan import ReplayPlan, make_plan
from streams.replay.reader import Bounds, Reader
from streams.replay.replay import Replay, ReplayProgress, ReplayRequest
from streams.replay.selection import Selection
from streams.replay.state import ReplaySpec
from streams.settings import LIVE, Settings, load_settings
from streams.sinks.lake.posts import read_messages
from streams.sinks.registry import SINKS
from streams.text.terminal import json_text

_STOPPED = 130
RAW, LAKE = "raw", "lake"


class _Offsets(click.ParamType):
    name = "PARTITION:FIRST-LAST"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int, int]:
        if isinstance(value, tuple):
            return value
        partition, colon, offsets = value.partition(":")
        first, dash, last = offsets.partition("-")
        if not (colon and dash and partition.isdecimal() and first.isdecimal() and last.isdecimal()):
            self.fail(f"{value!r} is not PARTITION:FIRST-LAST, such as 0:100-299", param, ctx)
        return int(partition), int(first), int(last)


@click.command()
@click.option(
    "--from", "origin", metavar="raw|lake|PATH", multiple=True, required=True, help="Where to read the posts."
)
@click.option("--run", "run", metavar="NAME", required=True, help="Name of the replay.")
@click.option("--since", type=TimeType(), help="Start time (inclusive, RFC 3339).")
@click.option("--until", type=TimeType(), help="End time (exclusive).")
@click.option(
    "--hashtag", "hashtags", multiple=True, metavar="H", help="Only posts with one of these hashtags; repeatable."
)
@click.option("--source", "sources", multiple=True, metavar="S", help="Only posts of these networks; repeatable.")
@click.option(
    "--offsets",
    type=_Offsets(),
    multiple=True,
    help="raw: only these offsets; other partitions are left out; repeatable.",
)
@click.option(
    "--speed",
    type=Speed(),
    default="max",
    show_default=True,
    help="Speed relative to real time, e.g. 60; max: no pacing.",
)
@click.option(
    "--sink", "sinks", multiple=True, default=["parquet"], show_default=True, help="Sink for the results; repeatable."
)
@click.option(
    "--concurrency", type=click.IntRange(1, 64), default=1, show_default=True, help="Number of enrich processes."
)
@click.option("--watch/--no-watch", default=True, show_default=True, help="Also count the minutes and find spikes.")
@click.option("--from-run", default=LIVE, show_default=True, help="lake: the run whose posts are replayed.")
@click.option("--manifest", type=click.Path(dir_okay=False, path_type=Path), help="Write the manifest (JSON) here.")
@click.option("--dry-run", is_flag=True, help="Only show what would be replayed, by partition, and the estimated time.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest, or the plan, as a JSON object.")
def command(
    origin: tuple[str, ...],
    run: str,
    since: datetime | None,
    until: datetime | None,
    hashtags: tuple[str, ...],
    sources: tuple[str, ...],
    offsets: tuple[tuple[int, int, int], ...],
    speed: float,
    sinks: tuple[str, ...],
    concurrency: int,
    watch: bool,
    from_run: str,
    manifest: Path | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Replay a day, or part of it, through the pipeline as a separate run.

    The command does everything itself: it creates topics such as posts.raw.NAME, starts an enrich worker, a store worker
    for each sink and a watch worker, and sends the messages with their original keys and times. When all of them have been
    enriched, stored and watched, a manifest sums up the results. The live day is only read: its topics, groups, rows
    and metrics stay as they are. To continue a replay that was stopped or killed, run the same command again.

    Times are those of the records: the post's own time, but never later than its collection. A deletion is replayed
    together with its post.

    \b
    Examples:
      tagpulse replay --from raw --run again
      tagpulse replay --from raw --run noon --since 2026-06-20T12:00Z --until 2026-06-20T13:00Z --speed 60
      tagpulse replay --from lake --run new-model --sink parquet --sink postgres --manifest new-model.json
      tagpulse replay --from day.jsonl.gz --run test --dry-run

    Exit codes: 0 everything was enriched and stored, 1 the counts of the manifest do not add up, 130 stopped early.
    """
    check_span(since, until)
    live = load_settings()
    log.configure(live.log)
    if run == LIVE:
        raise click.UsageError("--run live is the live day: choose another name for the replay")
    if live.run != LIVE:
        raise click.UsageError(
            f"TAGPULSE_RUN={live.run} is set: unset it, since a replay is named with --run and reads the live day"
        )
    settings = load_settings(run=run)
    if offsets and origin != (RAW,):
        raise click.UsageError("--offsets needs --from raw")
    selection = Selection(
        since=since,
        until=until,
        hashtags=frozenset(normalise_hashtags(hashtags)),
        sources=frozenset(sources),
        offsets={partition: (first, last) for partition, first, last in offsets},
    )
    open_reader = _reader(origin, live, selection, from_run)
    if dry_run:
        enricher = load_enricher(live.model, load_campaign(live.campaign))
        _show_plan(make_plan(open_reader(()), selection, enricher, speed=speed), as_json)
        return 0
    for name in sinks:
        SINKS.find(name)
    spec = ReplaySpec(
        origin=f"{LAKE}:{from_run}" if origin == (LAKE,) else ",".join(origin),
        since=since.isoformat() if since else None,
        until=until.isoformat() if until else None,
        hashtags=tuple(sorted(selection.hashtags)),
        sources=tuple(sorted(sources)),
        offsets=tuple(f"{partition}:{first}-{last}" for partition, first, last in offsets),
        sinks=tuple(dict.fromkeys(sinks)),
        unwatched=not watch,
    )
    request = ReplayRequest(
        order=spec, selection=selection, open_reader=open_reader, speed=speed, concurrency=concurrency
    )
    found = _play(Replay(request, settings), settings)
    if found is None:
        click.echo(
            f"stopped: run the same command again to continue, or remove the run with `tagpulse runs drop {run}`",
            err=True,
        )
        return _STOPPED
    text = json_text(found, indent=2)
    if manifest is not None:
        manifest.write_text(text + "\n", encoding="utf-8")
    click.echo(text if as_json else _summary(found))
    return 0 if found.reconciled else 1


def _reader(
    origin: tuple[str, ...], live: Settings, selection: Selection, from_run: str
) -> Callable[[Sequence[Bounds]], Reader]:
    def open_reader(bounds: Sequence[Bounds]) -> Reader:
        if origin == (RAW,):
            if bounds:
                return KafkaReader(live.kafka, bounds)
            return KafkaReader.open(live.kafka, live.topics.raw, selection)
        if origin == (LAKE,):
            return MessageReader(f"{LAKE}:{from_run}", read_messages(live.lake.path, from_run))
        return FileReader(origin, max_line_bytes=live.topics.max_message_bytes)

    return open_reader


def _play(replay: Replay, settings: Settings) -> Manifest | None:
    on_stop(replay.stop)
    health = Health(settings.metrics, "replay", run=settings.run)
    health.start()
    with ExitStack() as stack:
        stack.callback(health.stop)
        if not sys.stderr.isatty():
            return replay.run(lambda _: None)
        bar = stack.enter_context(
            Progress(
                TextColumn("[progress.description]{task.description}"),
                BarColumn(),
                TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
                TextColumn("{task.fields[rate]:,.0f}/s"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
        )
        return replay.run(_Bars(bar).show)


class _Bars:
    """Progress bars: one for the messages sent, and one for each worker."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks = {"sent": progress.add_task("sent", total=0, rate=0.0)}

    def show(self, state: ReplayProgress) -> None:
        feed = state.feed
        self._update("sent", feed.sent, feed.chosen)
        for worker, left in state.left.items():
            self._update(worker, max(0, feed.chosen - left), feed.chosen)

    def _update(self, name: str, done: int, total: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=0, rate=0.0)
        task = self._tasks[name]
        speed = self._progress.tasks[task].speed or 0.0
        self._progress.update(task, completed=done, total=total, rate=speed)


def _show_plan(plan: ReplayPlan, as_json: bool) -> None:
    if as_json:
        click.echo(json_text(_as_object(plan)))
        return
    table = Table("partition", "read", "selected", "first", "last")
    for part in plan.parts:
        name = partition_name(part.name, part.partition)
        table.add_row(name, f"{part.read:,}", f"{part.chosen:,}", _time(part.first_ms), _time(part.last_ms))
    console().print(table)
    click.echo(
        f"{plan.chosen:,} messages, about {_duration(plan.seconds)} (model throughput: {plan.posts_per_second:,.0f}/s)"
    )
    if plan.unreadable:
        click.echo(f"{plan.unreadable:,} unreadable messages have no known hashtags or source, and are left out")


def _as_object(plan: ReplayPlan) -> dict[str, Any]:
    seconds = None if plan.seconds == inf else plan.seconds
    return {**msgspec.to_builtins(plan), "chosen": plan.chosen, "seconds": seconds}


def _summary(manifest: Manifest) -> str:
    lines = [
        f"run {manifest.run}: {manifest.read:,} read = {manifest.enriched:,} enriched + {manifest.dead:,} dead",
        f"model {', '.join(manifest.models) or '-'}; checksum {manifest.checksum[:16]}…",
        *(f"{sink} holds {posts:,} posts" for sink, posts in manifest.sinks.items()),
    ]
    if manifest.repeated_ids:
        lines.append(f"{manifest.repeated_ids:,} posts share an id with a different post: sinks keep only one of them")
    if not manifest.reconciled:
        lines.append("the counts do NOT add up: see --json for details")
    return "\n".join(lines)


def _time(ms: int | None) -> str:
    return "" if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")


def _duration(seconds: float) -> str:
    if seconds == inf:
        return "an unlimited time"
    hours, rest = divmod(round(seconds), 3_600)
    return f"{hours} h {rest // 60:02} min" if hours else f"{rest // 60} min {rest % 60:02} s"
