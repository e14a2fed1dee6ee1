"""`tagpulse postgres`: create, check and prune the tables of the postgres sink."""

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
    """Create, check and prune the tables of the postgres sink, in the database of TAGPULSE_POSTGRES__DSN.

    \b
    Examples:
      tagpulse postgres migrate
      tagpulse postgres check --json
      TAGPULSE_POSTGRES__RETENTION_DAYS=365 tagpulse postgres prune --execute
    """


@command.command("migrate")
@click.option("--json", "as_json", is_flag=True, help="One JSON object with the keys before and now.")
def migrate(as_json: bool) -> None:
    """Create the tables, views and roles, or upgrade them to this version; run it as the owner of the database.

    The worker does this itself unless TAGPULSE_POSTGRES__MIGRATE=false; in that case a user that is a member of
    tagpulse_writer is enough for the worker.

    \b
    Examples:
      TAGPULSE_POSTGRES__DSN=postgresql://owner@db/tagpulse tagpulse postgres migrate
    """
    before, now = run_migrations(load_settings().postgres)
    if as_json:
        click.echo(json_text({"before": before, "now": now}))
    elif before == now:
        click.echo(f"the tables are already at version {now}")
    else:
        click.echo(f"the tables are now at version {now}; before: {before or 'none'}")


@command.command("check")
@click.option("--json", "as_json", is_flag=True, help="One JSON object with the keys found and needed.")
def check(as_json: bool) -> int:
    """Check that the database answers and that its tables match this version; exit code 1 if they do not.

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
        click.echo(f"the tables are at version {found.needed}, as required")
    else:
        click.echo(
            f"the tables are at version {found.found or 'none'}, but version {found.needed} is required:"
            " run tagpulse postgres migrate"
        )
    return int(found.found != found.needed)


@command.command("prune")
@click.option("--execute", is_flag=True, help="Apply the changes; without this, only the plan is shown.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON object per month: table, until, posts, size_bytes, dropped; then one: deletions, until, dropped.",
)
def prune(execute: bool, as_json: bool) -> None:
    """Drop the months whose posts are all older than TAGPULSE_POSTGRES__RETENTION_DAYS, for all runs.

    Records of deletions are kept a week longer than the posts of their time.

    \b
    Examples:
      TAGPULSE_POSTGRES__RETENTION_DAYS=365 tagpulse postgres prune
      TAGPULSE_POSTGRES__RETENTION_DAYS=365 tagpulse postgres prune --execute
    """
    settings = load_settings().postgres
    if settings.retention_days is None:
        raise SettingsError("no retention period: set TAGPULSE_POSTGRES__RETENTION_DAYS to the number of days to keep")
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
        click.echo(f"{deletions} deletions before {limit:%Y-%m-%d}, {'dropped' if execute else 'to be dropped'}")
    if not months:
        click.echo(f"no month is entirely older than {settings.retention_days} days")
    if (months or deletions) and not execute:
        click.echo("nothing was dropped: add --execute to drop them")


def _as_json(month: Month, dropped: bool) -> str:
    return json_text(month._asdict() | {"until": month.until.isoformat(), "dropped": dropped})


def _as_text(month: Month, dropped: bool) -> str:
    size = f"{month.posts} posts, {month.size_bytes / 2**20:.1f} MiB, before {month.until:%Y-%m-%d}"
    return f"{month.table}: {size}, {'dropped' if dropped else 'to be dropped'}"


@contextmanager
def _connected(settings: PostgresSettings) -> Iterator[psycopg.Connection]:
    connection = connect(settings)
    try:
        yield connection
    finally:
        connection.close()
