"""`tagpulse postgres`: make, check and prune the tables of the sink postgres."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from streams.contracts import utc_now
from streams.errors import MissingExtra, SettingsError
from streams.settings import PostgresSettings, load_settings
from streams.text.terminal import json_text

try:
    import psycopg

    from streams.sinks.postgres import schema
    from streams.sinks.postgres.migrate import migrate as run_migrations
    from streams.sinks.postgres.removal import (
        Month,
        deletions_limit,
        drop_deletions,
        drop_month,
        old_deletions,
        old_months,
    )
    from streams.sinks.postgres.session import connect
except ImportError:
    raise MissingExtra("tagpulse postgres", "postgres") from None


@click.group("postgres")
def command() -> None:
    """Make, check and prune the tables of the sink postgres, in the database of TAGPULSE_POSTGRES__DSN.

    \b
    Examples:
      tagpulse postgres migrate
      tagpulse postgres check --json
      TAGPULSE_POSTGRES__RETENTION_DAYS=365 tagpulse postgres prune --execute
    """


@command.command("migrate")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: before, now.")
def migrate(as_json: bool) -> None:
    """Make the tables, views and roles, or bring them up to this version; the owner of the database runs it.

    The worker does so itself unless TAGPULSE_POSTGRES__MIGRATE=false; then a user that is a member of tagpulse_writer
    is enough for it.

    \b
    Examples:
      TAGPULSE_POSTGRES__DSN=postgresql://owner@db/tagpulse tagpulse postgres migrate
    """
    before, now = run_migrations(load_settings().postgres)
    if as_json:
        click.echo(json_text({"before": before, "now": now}))
    elif before == now:
        click.echo(f"the tables have version {now} already")
    else:
        click.echo(f"the tables have version {now} now, before: {before or 'none'}")


@command.command("check")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: found, needed.")
def check(as_json: bool) -> int:
    """Say whether the database answers and its tables are those of this version; exit code 1 when they are not.

    \b
    Examples:
      tagpulse postgres check
    """
    settings = load_settings().postgres
    with _connected(settings) as connection:
        found = schema.versions(connection, settings)
    if as_json:
        click.echo(json_text(found._asdict()))
    elif found.found == found.needed:
        click.echo(f"the tables have version {found.needed}, as needed")
    else:
        click.echo(
            f"the tables have version {found.found or 'none'}, needed is {found.needed}: tagpulse postgres migrate"
        )
    return int(found.found != found.needed)


@command.command("prune")
@click.option("--execute", is_flag=True, help="Do it; without this only the plan is shown.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="A JSON object a month: table, until, posts, size_bytes, dropped; one more: deletions, until, dropped.",
)
def prune(execute: bool, as_json: bool) -> None:
    """Drop the months whose posts are all older than TAGPULSE_POSTGRES__RETENTION_DAYS, of all runs.

    The records of what was deleted go once no post of their time is kept, and a week later.

    \b
    Examples:
      TAGPULSE_POSTGRES__RETENTION_DAYS=365 tagpulse postgres prune
      TAGPULSE_POSTGRES__RETENTION_DAYS=365 tagpulse postgres prune --execute
    """
    settings = load_settings().postgres
    if settings.retention_days is None:
        raise SettingsError("TAGPULSE_POSTGRES__RETENTION_DAYS is needed to prune: how many days are kept")
    with _connected(settings) as connection:
        schema.require(schema.versions(connection, settings))
        now = utc_now()
        months = old_months(connection, settings.retention_days, now)
        for month in months:
            if execute:
                drop_month(connection, month)
            click.echo(_as_json(month, execute) if as_json else _as_text(month, execute))
        limit = deletions_limit(settings.retention_days, now)
        deletions = drop_deletions(connection, limit) if execute else old_deletions(connection, limit)
    if as_json:
        click.echo(json_text({"deletions": deletions, "until": limit.isoformat(), "dropped": execute}))
        return
    if deletions:
        click.echo(f"{deletions} deletions until {limit:%Y-%m-%d}, {'dropped' if execute else 'to be dropped'}")
    if not months:
        click.echo(f"no month is wholly older than {settings.retention_days} days")
    if (months or deletions) and not execute:
        click.echo("nothing was dropped: --execute does it")


def _as_json(month: Month, dropped: bool) -> str:
    return json_text(month._asdict() | {"until": month.until.isoformat(), "dropped": dropped})


def _as_text(month: Month, dropped: bool) -> str:
    size = f"{month.posts} posts, {month.size_bytes / 2**20:.1f} MiB, until {month.until:%Y-%m-%d}"
    return f"{month.table}: {size}, {'dropped' if dropped else 'to be dropped'}"


@contextmanager
def _connected(settings: PostgresSettings) -> Iterator[psycopg.Connection]:
    connection = connect(settings)
    try:
        yield connection
    finally:
        connection.close()
