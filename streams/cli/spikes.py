"""`tagpulse spikes`: find the spikes in past minutes."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import click
from rich.table import Column, Table
from rich.text import Text

from streams.campaign import load_campaign
from streams.cli.console import console
from streams.contracts import DEFAULT_SENSITIVITY, SENSITIVITY_NAMES, SensitivityName
from streams.settings import load_settings
from streams.settings.tree import LIVE
from streams.spikes import Detector, MinuteCounts, SpikeEvent
from streams.spikes.history import by_minute, read_file, read_lake, read_lines
from streams.spikes.summary import pace, percent
from streams.text.terminal import json_text, plain, span

_HASHTAG_WIDTH = 12


@click.command()
@click.option("--run", metavar="NAME", help="Read the posts of this run from the lake: live, or the name of a replay.")
@click.option(
    "--minutes",
    "path",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="File with one JSON object per line, each a minute of a hashtag, ordered by time; - is standard input.",
)
@click.option(
    "--sensitivity",
    type=click.Choice(SENSITIVITY_NAMES),
    help=f"Default: for a run, from TAGPULSE_WATCH__SENSITIVITY or the campaign; otherwise {DEFAULT_SENSITIVITY}.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per spike, one per line.")
def command(run: str | None, path: Path | None, sensitivity: SensitivityName | None, as_json: bool) -> None:
    """Show which spikes would have raised an alert, by running the live detector over past minutes.

    The minutes come from the posts in the lake (--run, TAGPULSE_LAKE__PATH) or from a file. For a run, the hashtags of
    the campaign are watched, as on the day itself; later edits and deletions count from the start. In a file, a minute
    without posts has no line:

    \b
    {"minute": "2026-11-01T09:31:00Z", "hashtag": "poltwt", "posts": 41, "negative": 9, "neutral": 20, "positive": 12}

    independent_posts and independent_negative are optional: the same counts without reposts, and with each text and
    each author counted once.

    \b
    --json has the keys kind (negative, volume, silence), hashtag, opened_at, closed_at (null: still open), known_at
    (event time at which the live worker would have raised it), share (of negative posts since it opened) with low and
    high (its 95 % interval), baseline (the usual share), posts, negative, rate and usual_rate (posts per minute).

    \b
    Examples:
      tagpulse spikes --run live
      tagpulse spikes --minutes day.jsonl --sensitivity high
      tagpulse spikes --run again --json | jq 'select(.kind == "negative")'
    """
    if (run is None) == (path is None):
        raise click.UsageError("give either a run (--run) or a file (--minutes)")
    if path is None:
        settings = load_settings()
        campaign = load_campaign(settings.campaign)
        minutes = read_lake(settings.lake.path, run or LIVE, campaign.hashtags)
        sensitivity = sensitivity or settings.watch.sensitivity or campaign.sensitivity
    else:
        minutes = read_lines(sys.stdin.buffer, "standard input") if str(path) == "-" else read_file(path)
    spikes = find_spikes(minutes, sensitivity or DEFAULT_SENSITIVITY)
    if as_json:
        for spike in spikes:
            click.echo(json_text(as_object(spike)))
    else:
        _show(spikes)


def find_spikes(minutes: Iterable[MinuteCounts], sensitivity: SensitivityName) -> list[SpikeEvent]:
    """Return the last state of each spike, ordered by the time at which the spike became known."""
    detector = Detector(sensitivity)
    spikes: dict[str, SpikeEvent] = {}
    for minute, counts in by_minute(minutes):
        spikes.update((event.id, event) for event in detector.feed(minute, counts))
    return sorted(spikes.values(), key=lambda spike: (spike.known_at, spike.hashtag, spike.kind))


def as_object(spike: SpikeEvent) -> dict[str, str | int | float | datetime | None]:
    """Return a spike as the object that `--json` prints."""
    return {
        "kind": spike.kind,
        "hashtag": spike.hashtag,
        "opened_at": spike.opened_at,
        "closed_at": spike.closed_at,
        "known_at": spike.known_at,
        "share": _rounded(spike.share),
        "low": _rounded(spike.low),
        "high": _rounded(spike.high),
        "baseline": _rounded(spike.baseline),
        "posts": spike.posts,
        "negative": spike.negative,
        "rate": _rounded(spike.rate),
        "usual_rate": _rounded(spike.usual_rate),
    }


def _show(spikes: list[SpikeEvent]) -> None:
    if not spikes:
        click.echo("nothing would have alerted")
        return
    kind, opened, known, closed = (Column(name, no_wrap=True) for name in ("kind", "opened", "known", "closed"))
    hashtag = Column("hashtag", overflow="fold", min_width=_HASHTAG_WIDTH)
    table = Table(kind, hashtag, opened, known, closed, "negative", "usually", "posts/minute", "usually")
    for spike in spikes:
        since, until = span(spike.opened_at, spike.closed_at)
        cells = (
            spike.kind,
            f"#{plain(spike.hashtag)}",
            since,
            f"{spike.known_at:%H:%M}",
            until,
            "" if spike.share is None else f"{percent(spike.share)} of {spike.posts}",
            "" if spike.baseline is None else percent(spike.baseline),
            "" if spike.rate is None else pace(spike.rate),
            "" if spike.usual_rate is None else pace(spike.usual_rate),
        )
        table.add_row(*map(Text, cells))
    console().print(table)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
