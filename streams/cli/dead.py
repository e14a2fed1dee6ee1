"""`tagpulse dead`: list, show, retry and drop dead letters."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from datetime import datetime
from typing import Any

import click
from rich.table import Column, Table
from rich.text import Text

from streams import log
from streams.cli.console import console
from streams.cli.dead_view import as_detail, as_object, done_line, done_object, plan_lines, plan_object
from streams.cli.options import When, check_span, run_option
from streams.contracts import REASONS, check_location
from streams.dead_letters.outcomes import (
    KafkaSender,
    LetterResult,
    SkipReason,
    drop,
    drop_obstacle,
    make_plan,
    retry,
    retry_obstacle,
)
from streams.dead_letters.reader import DeadLetters, FoundLetter, LetterFilter, open_dead_letters
from streams.errors import BadInput
from streams.kafka import connection
from streams.settings import Settings, load_settings
from streams.text.terminal import plain

_MAX_ATTEMPTS = 5
_RATE = 100.0
_SHOWN = 100


@click.group()
def command() -> None:
    """List, show, retry and drop dead letters: the records that a worker or a source could not process.

    A dead letter is stored on the dead-letter topic with the bytes of its record. Kafka cannot remove single records,
    so retry and drop append the outcome to the topic, and list then omits the dead letter. A LOCATION is written
    topic[partition]@offset; it can be that of the dead letter or that of the record that failed.

    \b
    Examples:
      tagpulse dead list --reason malformed --since 2h
      tagpulse dead show 'posts.dead[0]@12'
      tagpulse dead retry --reason enrichment_failed --execute
      tagpulse dead drop --reason empty --until 7d --execute
    """


class _Location(click.ParamType):
    name = "LOCATION"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return check_location(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _filters(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the filter options to a command and pass them to it as a `LetterFilter`."""

    @click.option(
        "--reason", "reasons", type=click.Choice(REASONS), multiple=True, help="Only this reason; repeatable."
    )
    @click.option("--since", type=When(), help="Failed at this time or later: a time or an age (2h, 7d).")
    @click.option("--until", type=When(), help="Failed before this time.")
    @click.option("--from-topic", metavar="TOPIC", help="Topic of the record that failed.")
    @click.option("--partition", type=click.IntRange(0), help="Partition of the record that failed.")
    @run_option
    @functools.wraps(function)
    def wrapped(
        *,
        reasons: tuple[str, ...],
        since: datetime | None,
        until: datetime | None,
        from_topic: str | None,
        partition: int | None,
        run: str | None,
        places: tuple[str, ...] = (),
        **others: Any,
    ) -> Any:
        check_span(since, until)
        wanted = LetterFilter(
            reasons=frozenset(reasons),
            since=since,
            until=until,
            from_topic=from_topic,
            partition=partition,
            places=frozenset(places),
        )
        return function(_settings(run), wanted, **others)

    return wrapped


_places = click.argument("places", metavar="[LOCATION]...", type=_Location(), nargs=-1)
_execute = click.option("--execute", is_flag=True, help="Apply the changes; without this, only the plan is shown.")


@command.command("list")
@_filters
@click.option("--all", "everything", is_flag=True, help="Include those already retried or dropped, with the outcome.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    help=f"Maximum number to show (default in a table: {_SHOWN}); the table's totals count all of them.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per dead letter, one per line.")
def listing(settings: Settings, wanted: LetterFilter, everything: bool, limit: int | None, as_json: bool) -> None:
    """List dead letters and count them by reason.

    \b
    Examples:
      tagpulse dead list
      tagpulse dead list --reason malformed --reason invalid --since 2026-06-20T09:00:00Z
      tagpulse dead list --json | jq -r .origin
    """
    table = Table("dead letter", "failed at", "reason", "attempts", Column("error", overflow="ellipsis", no_wrap=True))
    if everything:
        table.add_column("outcome")
    counts, shown = Counter[str](), 0
    with open_dead_letters(settings, wanted) as letters:
        for found in letters.walk(settled=everything):
            counts[found.letter.reason] += 1
            if as_json:
                click.echo(as_object(found))
                if counts.total() == limit:
                    break
            elif shown < (limit or _SHOWN):
                shown += 1
                table.add_row(*_cells(found, everything))
        _report_unreadable(letters)
        if as_json:
            return
        if not counts:
            what = "is empty" if letters.is_empty else "has no matching dead letters"
            click.echo(f"{letters.topic} {what}")
            return
    output = console()
    output.print(table)
    if counts.total() > shown:
        output.print(f"only the first {shown} dead letters are shown; use --limit or --json for more", style="dim")
    by_reason = ", ".join(f"{plain(reason)} {count}" for reason, count in counts.most_common())
    output.print(Text(f"{counts.total()} dead letters: {by_reason}"))


@command.command("show")
@click.argument("place", metavar="LOCATION", type=_Location())
@run_option
@click.option("--raw", is_flag=True, help="Only the bytes of the record.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per dead letter, with the bytes in base64.")
def show(place: str, run: str | None, raw: bool, as_json: bool) -> None:
    """Show the dead letter at a location in full, or all dead letters of the record at that location.

    \b
    Examples:
      tagpulse dead show 'posts.dead[0]@12'
      tagpulse dead show 'posts.raw[3]@4711' --raw > record.json
    """
    settings = _settings(run)
    with open_dead_letters(settings, LetterFilter(places=frozenset([place]))) as letters:
        found = list(letters.walk(settled=True))
    if not found:
        raise BadInput(f"{settings.topics.dead} has no dead letter at {place}, and none of a record at that place")
    if not raw:
        for each in found:
            click.echo(as_object(each, whole=True) if as_json else as_detail(each))
        return
    if len({each.letter.value for each in found}) > 1:
        raise BadInput(
            f"{place} has several different dead letters, choose one: {', '.join(each.place for each in found)}"
        )
    sys.stdout.buffer.write(found[0].letter.value or b"")


@command.command("retry")
@_places
@_filters
@click.option(
    "--max-attempts",
    type=click.IntRange(1),
    default=_MAX_ATTEMPTS,
    show_default=True,
    help="Leave out records that have failed this many times.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0.001),
    default=_RATE,
    show_default=True,
    help="Maximum number of records per second.",
)
@_execute
@click.option("--json", "as_json", is_flag=True, help="JSON objects, one per line: the plan, then the result of each.")
def retry_command(
    settings: Settings, wanted: LetterFilter, max_attempts: int, rate: float, execute: bool, as_json: bool
) -> int:
    """Send records back to the topics they came from, with the same bytes, key, headers and timestamp.

    Each record goes to the partition of its key. Fix the cause of the failures first: a worker that fails on most of
    its records stops. A header counts the attempts, so a record that fails again comes back with one more. The outcome
    of a dead letter is written after its record is confirmed; after a crash in between, the next retry sends the record
    a second time, which workers and sinks can handle. A dropped dead letter can be retried if its location is given.

    Exit code 1 if a dead letter in the plan was not sent, or if a given location has none that can be retried.

    \b
    Examples:
      tagpulse dead retry --reason enrichment_failed --since 2h
      tagpulse dead retry --reason enrichment_failed --since 2h --execute
      tagpulse dead retry 'posts.dead[0]@12' --execute
    """
    with open_dead_letters(settings, wanted) as letters:
        why = functools.partial(
            retry_obstacle,
            max_attempts=max_attempts,
            targets=letters.partitions_of(settings.topics.raw, settings.topics.enriched),
            named=bool(wanted.places),
        )

        def act(sender: KafkaSender) -> AsyncGenerator[LetterResult, None]:
            return retry(_selected(letters), sender, why, rate=rate)

        return _plan_and_act(letters, settings, why, act, execute=execute, as_json=as_json, verb="retry")


@command.command("drop")
@_places
@_filters
@_execute
@click.option("--json", "as_json", is_flag=True, help="JSON objects, one per line: the plan, then the result of each.")
def drop_command(settings: Settings, wanted: LetterFilter, execute: bool, as_json: bool) -> int:
    """Mark dead letters as dropped, so that they are no longer listed or retried.

    Their bytes stay on the topic until its retention expires.

    Exit code 1 if a dead letter in the plan was not dropped, or if a given location has none that can be dropped.

    \b
    Examples:
      tagpulse dead drop --reason empty
      tagpulse dead drop --reason empty --until 7d --execute
      tagpulse dead drop 'posts.dead[0]@12' --execute
    """
    with open_dead_letters(settings, wanted) as letters:

        def act(sender: KafkaSender) -> AsyncGenerator[LetterResult, None]:
            return drop(_selected(letters), sender, drop_obstacle)

        return _plan_and_act(letters, settings, drop_obstacle, act, execute=execute, as_json=as_json, verb="drop")


def _plan_and_act(
    letters: DeadLetters,
    settings: Settings,
    why: SkipReason,
    act: Callable[[KafkaSender], AsyncGenerator[LetterResult, None]],
    *,
    execute: bool,
    as_json: bool,
    verb: str,
) -> int:
    places = letters.wanted.places
    plan = make_plan(_selected(letters), why, places)
    missing = sorted(places - plan.places)
    _report_unreadable(letters)
    if as_json:
        click.echo(plan_object(plan, missing))
    else:
        for line in plan_lines(plan, missing, letters.topic, verb):
            click.echo(line)
    if not execute:
        if plan.letters and not as_json:
            click.echo(f"nothing was done: add --execute to {verb} them")
        return int(bool(missing))
    completed = asyncio.run(_act(letters, settings, act, as_json)) if plan.letters else 0
    if completed < plan.letters and not as_json:
        click.echo(f"{plan.letters - completed} of {plan.letters} dead letters were left unchanged", err=True)
    return int(bool(missing) or completed < plan.letters)


def _selected(letters: DeadLetters) -> Iterator[FoundLetter]:
    """Return the matching dead letters without an outcome, or all of them if places were given.

    The result must report on every place that was given, even if it was retried or dropped earlier.
    """
    return letters.walk(settled=bool(letters.wanted.places))


async def _act(
    letters: DeadLetters,
    settings: Settings,
    act: Callable[[KafkaSender], AsyncGenerator[LetterResult, None]],
    as_json: bool,
) -> int:
    """Retry or drop the dead letters, print each result, and return the number of successes."""
    completed = 0
    partitions = letters.partitions_of(settings.topics.raw, settings.topics.enriched)
    async with KafkaSender(settings, partitions) as sender, aclosing(act(sender)) as results:
        async for done in results:
            completed += done.result in ("retried", "dropped")
            if done.result != "left out" or as_json:
                click.echo(done_object(done) if as_json else done_line(done))
    return completed


def _settings(run: str | None) -> Settings:
    settings = load_settings() if run is None else load_settings(run=run)
    log.configure(settings.log)
    asyncio.run(connection.probe(settings.kafka, topics=[settings.topics.dead]))
    return settings


def _report_unreadable(letters: DeadLetters) -> None:
    if letters.unreadable:
        click.echo(f"{letters.topic}: skipped {letters.unreadable} records that are not dead letters", err=True)


def _cells(found: FoundLetter, with_outcome: bool) -> list[Text]:
    letter = found.letter
    cells = [found.place, f"{letter.failed_at:%Y-%m-%d %H:%M:%S}", letter.reason, str(letter.attempts), letter.error]
    if with_outcome:
        cells.append(found.outcome.outcome if found.outcome else "")
    return [Text(plain(cell)) for cell in cells]
