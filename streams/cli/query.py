"""`tagpulse query`."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from streams.settings import load_settings
from streams.sinks.lake.query import QueryResult, ask
from streams.text.terminal import json_text, plain


@click.command()
@click.argument("sql")
@click.option("--json", "as_json", is_flag=True, help="A JSON object a row.")
@click.option("--limit", type=click.IntRange(1), default=200, show_default=True, help="Rows shown in a table.")
@click.option(
    "--unlocked", is_flag=True, help="Allow any SQL: it can read and write files, use the network and load extensions."
)
def command(sql: str, as_json: bool, limit: int, unlocked: bool) -> None:
    """Ask the lake in SQL (DuckDB). The view `posts` holds each post of a run once: its newest edit, without deleted ones.

    \b
    Columns: run, source, id, created_at, text, author, hashtags, language, language_score, sentiment, negative,
    neutral, positive, topics, topic_scores, campaign_topic, campaign_score, model_version and more:
    tagpulse query "describe posts"

    \b
    The view `minutes` counts them by run, minute and hashtag: posts, negative, neutral, positive, and the sums of the
    probabilities negative_sum, neutral_sum, positive_sum.

    \b
    The view `spikes` has each spike by the last message about it: run, id, kind, hashtag, state, opened_at, known_at,
    closed_at, posts, negative, share, low, high, baseline, rate, usual_rate, summary, typical and shared (posts),
    explanation (JSON: terms, topics, languages, sources, the account and the text that came most).

    \b
    Examples:
      tagpulse query "select sentiment, count(*) from posts where run = 'live' group by 1"
      tagpulse query "select minute, posts, negative from minutes where run = 'live' and hashtag = 'poltwt' order by 1"
      tagpulse query "select opened_at, kind, summary from spikes where run = 'live' order by opened_at"
      tagpulse query --json "select created_at, text from posts where language = 'de' and run = 'live' order by negative desc limit 10"
    """
    answer = ask(load_settings().lake.path, sql, unlocked=unlocked)
    if as_json:
        for row in answer.rows:
            fields = dict(zip(answer.columns, map(_plain, row), strict=True))
            click.echo(json_text(fields))
    else:
        _show(answer, limit)


def _show(answer: QueryResult, limit: int) -> None:
    table = Table(*(escape(plain(column)) for column in answer.columns))
    rows = list(islice(answer.rows, limit + 1))
    for row in rows[:limit]:
        table.add_row(*(_cell(value) for value in row))
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)
    if len(rows) > limit:
        console.print(f"the first {limit} rows; --limit or --json shows more", style="dim")


def _cell(value: Any) -> Text:
    shown = _plain(value)
    return Text("" if shown is None else plain(shown if isinstance(shown, str) else json_text(shown)))


def _plain(value: Any) -> Any:
    """A value of DuckDB as JSON can hold it; times in RFC 3339, those without a zone without `Z`, NaN and infinity as null."""
    match value:
        case datetime():
            zoned = value if value.tzinfo is None else value.astimezone(UTC)
            return zoned.isoformat().replace("+00:00", "Z")
        case float():
            return value if value == value and abs(value) != float("inf") else None
        case None | bool() | int() | str():
            return value
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case date():
            return value.isoformat()
        case bytes():
            return value.hex()
        case list() | tuple():
            return [_plain(item) for item in value]
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case _:
            return str(value)
