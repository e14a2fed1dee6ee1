"""`tagpulse campaign`: try the topics of a campaign file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click
import msgspec
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from streams.campaign import load_campaign
from streams.catch import CampaignTrial, FoundPosts, ScoredPost, read_files, read_lake, try_topics
from streams.cli.console import console
from streams.cli.options import When, check_span, one_hashtag
from streams.errors import SettingsError
from streams.model import load_enricher
from streams.settings import LIVE, load_settings
from streams.spikes.summary import percent
from streams.text.terminal import json_text, plain

_TEXT_LENGTH = 160


@click.group()
def command() -> None:
    """Try the topics of a campaign file.

    \b
    Example:
      tagpulse campaign try poltwt.toml
    """


@command.command("try")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--lake", metavar="PATH", help="Use this lake instead of the one set in TAGPULSE_LAKE__PATH.")
@click.option("--run", metavar="NAME", default=LIVE, show_default=True, help="Run of the lake whose posts are tried.")
@click.option("--since", type=When(), help="Start time (inclusive) or age; default: a day before the newest post.")
@click.option("--until", type=When(), help="End time (exclusive) or age.")
@click.option("--hashtag", help="Only posts with this hashtag.")
@click.option(
    "--from",
    "files",
    metavar="FILE",
    multiple=True,
    help="Try the posts of this file, in a format of `tagpulse produce file`, instead of a lake; repeatable.",
)
@click.option(
    "--posts", "most", type=click.IntRange(1), default=5_000, show_default=True, help="Maximum number of posts to try."
)
@click.option(
    "--limit", type=click.IntRange(0), default=5, show_default=True, help="Examples and near misses of each topic."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def try_command(
    path: Path,
    lake: str | None,
    run: str,
    since: datetime | None,
    until: datetime | None,
    hashtag: str | None,
    files: tuple[str, ...],
    most: int,
    limit: int,
    as_json: bool,
) -> None:
    """Show what each topic of a campaign file would catch.

    The model runs on posts of a lake, or of files (--from), and nothing is written. If there are more posts than --posts, a
    sample is tried, which is the same each time. For each topic, examples are shown from the highest score to the lowest,
    and near misses, which are the posts just below its threshold: turn those that belong to the topic into examples, and
    wrong catches into negative_examples.

    \b
    --json has the keys campaign, model, posts, caught, topics (name, threshold, reached, assigned, share, examples,
    near_misses), overlaps (a, b, posts), found (number of posts before sampling), unreadable, first, last.

    \b
    Examples:
      tagpulse campaign try poltwt.toml
      tagpulse campaign try poltwt.toml --run again --since 2026-06-20T12:00Z --until 2026-06-20T13:00Z
      tagpulse campaign try poltwt.toml --lake /data/lake --since 7d --posts 20000 --json | jq '.topics[] | {name, share}'
      tagpulse campaign try poltwt.toml --from day.jsonl.gz --limit 20
    """
    check_span(since, until)
    if files and (lake or since or until or hashtag):
        raise click.UsageError("--from tries all posts of the files: leave out --lake, --since, --until and --hashtag")
    settings = load_settings()
    campaign = load_campaign(path)
    if not campaign.topics:
        raise SettingsError(f"campaign {path}: has no [[topics]] to try: add at least one")
    if settings.model.backend == "constant":
        raise SettingsError("TAGPULSE_MODEL__BACKEND: constant scores no topics: unset it")
    found = (
        read_files(files, max_line_bytes=settings.topics.max_message_bytes, most=most)
        if files
        else read_lake(
            lake or settings.lake.path, run, since=since, until=until, hashtag=one_hashtag(hashtag), most=most
        )
    )
    enricher = load_enricher(settings.model, campaign)
    with _progress(len(found.posts)) as advance:
        trial = try_topics(campaign, enricher, found.posts, shown=limit, advance=advance)
    if as_json:
        about = {"found": found.found, "unreadable": found.unreadable, "first": found.first, "last": found.last}
        click.echo(json_text(msgspec.to_builtins(trial) | about))
    else:
        console().print(_tables(trial, found))


@contextmanager
def _progress(posts: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("posts"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("posts", total=posts)
        yield lambda done: bar.advance(task, done)


def _tables(trial: CampaignTrial, found: FoundPosts) -> RenderableType:
    sampled = "" if found.found == trial.posts else f", a sample of {found.found:,}"
    unreadable = f", {found.unreadable:,} unreadable lines" if found.unreadable else ""
    head = Text(
        f"{plain(trial.campaign)} on {trial.posts:,} posts{sampled}{unreadable}, "
        f"{found.first:%Y-%m-%d %H:%M} to {found.last:%Y-%m-%d %H:%M} UTC; {trial.caught:,} get a topic",
        "bold",
    )
    counts = Table("topic", "threshold", "posts", "share", "reach the threshold")
    for topic in trial.topics:
        counts.add_row(
            Text(plain(topic.name)),
            f"{topic.threshold:g}",
            f"{topic.assigned:,}",
            "" if topic.share is None else percent(topic.share),
            f"{topic.reached:,}",
        )
    for column in counts.columns[1:]:
        column.justify = "right"
    parts: list[RenderableType] = [head, counts]
    for topic in trial.topics:
        parts += _posts(f"{topic.name}: examples", topic.examples)
        parts += _posts(f"{topic.name}: near misses", topic.near_misses)
    if trial.overlaps:
        overlaps = Table("topic", "topic", "posts", title="Posts that reach both thresholds", title_justify="left")
        for overlap in trial.overlaps:
            overlaps.add_row(Text(plain(overlap.a)), Text(plain(overlap.b)), f"{overlap.posts:,}")
        parts.append(overlaps)
    return Group(*parts)


def _posts(title: str, posts: tuple[ScoredPost, ...]) -> list[RenderableType]:
    if not posts:
        return []
    lines = [Text(f"  {post.score:.2f}  {_short(post.text)}") for post in posts]
    return [Text(f"\n{plain(title)}", "bold"), *lines]


def _short(text: str) -> str:
    shown = plain(text)
    return shown if len(shown) <= _TEXT_LENGTH else f"{shown[:_TEXT_LENGTH]}…"
