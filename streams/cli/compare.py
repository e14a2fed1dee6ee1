"""`tagpulse compare`: compare two runs of the same posts."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from streams.cli.console import console
from streams.cli.options import TimeType, check_span, one_hashtag
from streams.compare import ComparedPosts, compare
from streams.compare.page import as_page
from streams.compare.terminal import as_tables
from streams.errors import BadInput
from streams.settings import load_settings
from streams.text.terminal import json_text


@click.command()
@click.argument("run_a")
@click.argument("run_b")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of the tables.")
@click.option(
    "--html", "html_path", type=click.Path(path_type=Path), metavar="FILE", help="Also write an HTML page to this file."
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Maximum number of changed posts, and of daily rows.",
)
@click.option("--since", type=TimeType(), help="Start time (inclusive).")
@click.option("--until", type=TimeType(), help="End time (exclusive).")
@click.option("--hashtag", help="Only posts with this hashtag.")
def command(
    run_a: str,
    run_b: str,
    as_json: bool,
    html_path: Path | None,
    limit: int,
    since: datetime | None,
    until: datetime | None,
    hashtag: str | None,
) -> None:
    """Compare run B with run A: changed labels, agreement between the runs, and shifts in the daily numbers.

    A run is `live` or the name of a replay. Posts are joined by source and id, each in its newest version; labels are
    compared where the text is the same in both runs. Agreement is given with Wilson's interval, and Cohen's kappa with
    that of Fleiss, Cohen and Everitt (both 95 %). The posts that changed most are those with the greatest total
    variation distance between their three sentiment probabilities.

    \b
    --json has the keys a, b (name, posts, models), selection, overlap, warnings, sentiment, language, topics, emotions,
    acts, campaign (matrix, agreement), daily (all, hashtags, languages), changed; streams/compare/comparison.py describes them.

    \b
    Examples:
      tagpulse compare live new-model
      tagpulse compare live new-model --since 2026-06-20 --until 2026-06-21 --hashtag poltwt --html day.html
      tagpulse compare live new-model --json | jq .sentiment.agreement.kappa
    """
    check_span(since, until)
    selection = ComparedPosts(since=since, until=until, hashtag=one_hashtag(hashtag))
    found = compare(load_settings().lake.path, run_a, run_b, selection, changed_posts=limit)
    if html_path is not None:
        try:
            html_path.write_text(as_page(found, limit), encoding="utf-8")
        except OSError as error:
            raise BadInput(f"the page cannot be written to {html_path}: {error.strerror}") from None
    if as_json:
        click.echo(json_text(found))
    else:
        console().print(as_tables(found, limit))
