"""`tagpulse query`: query the lake with SQL."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import islice
from textwrap import fill
from typing import Any

import click
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from streams.cli.console import console
from streams.contracts import SEVERAL
from streams.settings import load_settings
from streams.sinks.columns import COLUMNS
from streams.sinks.lake.query import QueryResult, ask
from streams.text.terminal import json_text, plain, rfc_3339

_HELP = f"""Query the lake with SQL (DuckDB).

\b
The view `posts` has each post of a run once, in its newest edit, without deleted posts. Columns (docs/columns.md):
{fill(", ".join(["run", *(column.name for column in COLUMNS), "date", "hour"]), 110)}

\b
The view `minutes` counts the posts by run, minute and hashtag: posts, negative, neutral, positive, and the sums of
the probabilities: negative_sum, neutral_sum, positive_sum.

\b
The view `spikes` has the latest message of each spike: run, id, kind, hashtag, state, opened_at, known_at,
closed_at, posts, negative, share, low, high, baseline, rate, usual_rate, summary, typical and shared (posts),
explanation (JSON: terms, {", ".join(SEVERAL)}, languages, sources, the most frequent account and text).

\b
Examples:
  tagpulse query "select sentiment, count(*) from posts where run = 'live' group by 1"
  tagpulse query "select minute, posts, negative from minutes where run = 'live' and hashtag = 'poltwt' order by 1"
  tagpulse query "select opened_at, kind, summary from spikes where run = 'live' order by opened_at"
  tagpulse query --json "select created_at, text from posts where language = 'de' and run = 'live' order by negative desc limit 10"
"""  # noqa: S608


@click.command(help=_HELP)
@click.argument("sql")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per row.")
@click.option(
    "--limit", type=click.IntRange(1), default=200, show_default=True, help="Maximum number of rows in a table."
)
@click.option(
    "--unlocked", is_flag=True, help="Allow any SQL, including access to files and the network, and loading extensions."
)
def command(sql: str, as_json: bool, limit: int, unlocked: bool) -> None:
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
    output = console()
    output.print(table)
    if len(rows) > limit:
        output.print(f"only the first {limit} rows are shown; use --limit or --json for more", style="dim")


def _cell(value: Any) -> Text:
    shown = _plain(value)
    return Text("" if shown is None else plain(shown if isinstance(shown, str) else json_text(shown)))


def _plain(value: Any) -> Any:
    """Convert a DuckDB value to one that JSON can represent.

    Times become RFC 3339 strings, without `Z` if they have no time zone; NaN and infinity become null.
    """
    match value:
        case datetime():
            zoned = value if value.tzinfo is None else value.astimezone(UTC)
            return rfc_3339(zoned)
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
