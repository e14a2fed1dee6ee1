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
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from streams import log
from streams.cli.dead_view import as_detail, as_object, done_line, done_object, plan_lines, plan_object
from streams.cli.options import When, check_span, run_option
from streams.contracts import REASONS
from streams.dead_letters.outcomes import Done, KafkaSender, Why, drop, make_plan, not_dropped, not_retried, retry
from streams.dead_letters.reader import DeadLetters, Filter, Found, check_place, open_dead_letters
from streams.errors import BadInput
from streams.kafka import connection
from streams.settings import Settings, load_settings
from streams.text.terminal import plain

_MAX_ATTEMPTS = 5
_RATE = 100.0
_SHOWN = 100


@click.group()
def command() -> None:
    """List, show, retry and drop dead letters: the records that a worker or a source could not handle.

    A letter stands on the dead topic with the bytes of its record. Kafka removes no single record, so retry and drop
    write behind a letter what became of it, and list then leaves it out. Places are written topic[partition]@offset:
    that of the letter, or that of the record which failed.

    \b
    Examples:
      tagpulse dead list --reason malformed --since 2h
      tagpulse dead show 'posts.dead[0]@12'
      tagpulse dead retry --reason enrichment_failed --execute
      tagpulse dead drop --reason empty --until 7d --execute
    """


class _Place(click.ParamType):
    name = "PLACE"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return check_place(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _filters(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a `Filter`, given to the function as one."""

    @click.option("--reason", "reasons", type=click.Choice(REASONS), multiple=True, help="Several times for several.")
    @click.option("--since", type=When(), help="Failed then or later: a time, or how long ago (2h, 7d).")
    @click.option("--until", type=When(), help="Failed before that.")
    @click.option("--from-topic", metavar="TOPIC", help="The topic of the record that failed.")
    @click.option("--partition", type=click.IntRange(0), help="Its partition.")
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
        wanted = Filter(
            reasons=frozenset(reasons),
            since=since,
            until=until,
            from_topic=from_topic,
            partition=partition,
            places=frozenset(places),
        )
        return function(_settings(run), wanted, **others)

    return wrapped


_places = click.argument("places", metavar="[PLACE]...", type=_Place(), nargs=-1)
_execute = click.option("--execute", is_flag=True, help="Do it; without this, only the plan is shown.")


@command.command("list")
@_filters
@click.option("--all", "everything", is_flag=True, help="Also those that were retried or dropped, with their outcome.")
@click.option("--limit", type=click.IntRange(1), help=f"At most so many (a table: {_SHOWN}); all of them are counted.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object for each letter, one a line.")
def listing(settings: Settings, wanted: Filter, everything: bool, limit: int | None, as_json: bool) -> None:
    """List letters, and count them by reason.

    \b
    Examples:
      tagpulse dead list
      tagpulse dead list --reason malformed --reason invalid --since 2026-06-20T09:00:00Z
      tagpulse dead list --json | jq -r .origin
    """
    table = Table("letter", "failed at", "reason", "attempts", Column("error", overflow="ellipsis", no_wrap=True))
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
        _tell_unreadable(letters)
        if as_json:
            return
        if not counts:
            what = "is empty" if letters.is_empty else "has no such letters"
            click.echo(f"{letters.topic} {what}")
            return
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)
    if counts.total() > shown:
        console.print(f"the first {shown} letters; --limit or --json shows more", style="dim")
    by_reason = ", ".join(f"{plain(reason)} {count}" for reason, count in counts.most_common())
    console.print(Text(f"{counts.total()} letters: {by_reason}"))


@command.command("show")
@click.argument("place", type=_Place())
@run_option
@click.option("--raw", is_flag=True, help="The bytes of the record, nothing else.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object for each letter, the bytes in base64.")
def show(place: str, run: str | None, raw: bool, as_json: bool) -> None:
    """Show all of the letter that stands at a place, or of the letters of the record that stood there.

    \b
    Examples:
      tagpulse dead show 'posts.dead[0]@12'
      tagpulse dead show 'posts.raw[3]@4711' --raw > record.json
    """
    settings = _settings(run)
    with open_dead_letters(settings, Filter(places=frozenset([place]))) as letters:
        found = list(letters.walk(settled=True))
    if not found:
        raise BadInput(f"{settings.topics.dead} has no letter at {place} and none of a record there")
    if not raw:
        for each in found:
            click.echo(as_object(each, whole=True) if as_json else as_detail(each))
        return
    if len({each.letter.value for each in found}) > 1:
        raise BadInput(f"{place} has several letters, choose one: {', '.join(each.place for each in found)}")
    sys.stdout.buffer.write(found[0].letter.value or b"")


@command.command("retry")
@_places
@_filters
@click.option(
    "--max-attempts",
    type=click.IntRange(1),
    default=_MAX_ATTEMPTS,
    show_default=True,
    help="A record that failed so often is left out.",
)
@click.option(
    "--rate", type=click.FloatRange(0.001), default=_RATE, show_default=True, help="Records a second, at most."
)
@_execute
@click.option("--json", "as_json", is_flag=True, help="JSON objects, one a line: the plan, then each letter's result.")
def retry_command(
    settings: Settings, wanted: Filter, max_attempts: int, rate: float, execute: bool, as_json: bool
) -> int:
    """Send records back to the topics they came from: their bytes, key, headers and time, to their key's partition.

    Mend first what made them fail: a worker that fails on most of its records stops. A header counts the attempts, so
    that a record which fails again comes back with one more. What became of a letter is written once its record is
    confirmed; a crash in between sends a record twice at the next retry, which workers and sinks stand. A letter that
    was dropped can be retried by its place.

    Exit code 1 when a letter of the plan did not go, or one of the named places has none that can.

    \b
    Examples:
      tagpulse dead retry --reason enrichment_failed --since 2h
      tagpulse dead retry --reason enrichment_failed --since 2h --execute
      tagpulse dead retry 'posts.dead[0]@12' --execute
    """
    with open_dead_letters(settings, wanted) as letters:
        why = functools.partial(
            not_retried,
            max_attempts=max_attempts,
            targets=letters.partitions_of(settings.topics.raw, settings.topics.enriched),
            named=bool(wanted.places),
        )

        def act(sender: KafkaSender) -> AsyncGenerator[Done, None]:
            return retry(_chosen(letters), sender, why, rate=rate)

        return _plan_and_act(letters, settings, why, act, execute=execute, as_json=as_json, verb="retry")


@command.command("drop")
@_places
@_filters
@_execute
@click.option("--json", "as_json", is_flag=True, help="JSON objects, one a line: the plan, then each letter's result.")
def drop_command(settings: Settings, wanted: Filter, execute: bool, as_json: bool) -> int:
    """Mark letters as done with: they are listed and retried no more. Their bytes stay as long as the topic keeps them.

    Exit code 1 when a letter of the plan was not dropped, or one of the named places has none that can be.

    \b
    Examples:
      tagpulse dead drop --reason empty
      tagpulse dead drop --reason empty --until 7d --execute
      tagpulse dead drop 'posts.dead[0]@12' --execute
    """
    with open_dead_letters(settings, wanted) as letters:

        def act(sender: KafkaSender) -> AsyncGenerator[Done, None]:
            return drop(_chosen(letters), sender, not_dropped)

        return _plan_and_act(letters, settings, not_dropped, act, execute=execute, as_json=as_json, verb="drop")


def _plan_and_act(
    letters: DeadLetters,
    settings: Settings,
    why: Why,
    act: Callable[[KafkaSender], AsyncGenerator[Done, None]],
    *,
    execute: bool,
    as_json: bool,
    verb: str,
) -> int:
    places = letters.wanted.places
    plan = make_plan(_chosen(letters), why, places)
    missing = sorted(places - plan.places)
    _tell_unreadable(letters)
    if as_json:
        click.echo(plan_object(plan, missing))
    else:
        for line in plan_lines(plan, missing, letters.topic, verb):
            click.echo(line)
    if not execute:
        if plan.letters and not as_json:
            click.echo(f"nothing was done: add --execute to {verb} them")
        return int(bool(missing))
    went = asyncio.run(_act(letters, settings, act, as_json)) if plan.letters else 0
    if went < plan.letters and not as_json:
        click.echo(f"{plan.letters - went} of {plan.letters} letters were left as they were", err=True)
    return int(bool(missing) or went < plan.letters)


def _chosen(letters: DeadLetters) -> Iterator[Found]:
    """Those about which nothing was done yet, and all that were named, since a word is owed about each of them."""
    return letters.walk(settled=bool(letters.wanted.places))


async def _act(
    letters: DeadLetters, settings: Settings, act: Callable[[KafkaSender], AsyncGenerator[Done, None]], as_json: bool
) -> int:
    """How many letters went."""
    went = 0
    partitions = letters.partitions_of(settings.topics.raw, settings.topics.enriched)
    async with KafkaSender(settings, partitions) as sender, aclosing(act(sender)) as results:
        async for done in results:
            went += done.result in ("retried", "dropped")
            if done.result != "left out" or as_json:
                click.echo(done_object(done) if as_json else done_line(done))
    return went


def _settings(run: str | None) -> Settings:
    settings = load_settings() if run is None else load_settings(run=run)
    log.configure(settings.log)
    asyncio.run(connection.probe(settings.kafka, topics=[settings.topics.dead]))
    return settings


def _tell_unreadable(letters: DeadLetters) -> None:
    if letters.unreadable:
        click.echo(f"{letters.unreadable} records of {letters.topic} are no dead letters: passed over", err=True)


def _cells(found: Found, with_outcome: bool) -> list[Text]:
    letter = found.letter
    cells = [found.place, f"{letter.failed_at:%Y-%m-%d %H:%M:%S}", letter.reason, str(letter.attempts), letter.error]
    if with_outcome:
        cells.append(found.outcome.outcome if found.outcome else "")
    return [Text(plain(cell)) for cell in cells]
