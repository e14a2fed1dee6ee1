"""`tagpulse topics`: create, grow, check and list the Kafka topics."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Column, Table

from streams.errors import Unavailable
from streams.kafka import connection, topics
from streams.retry.backoff import Backoff, retry
from streams.settings import KafkaSettings, Settings, load_settings
from streams.text.terminal import json_text

_LONGEST_PAUSE_SECONDS = 1.0


@click.group("topics")
def command() -> None:
    """Create, grow, check and list the Kafka topics.

    Names, partitions and configuration come from the settings TAGPULSE_TOPICS__…; workers and producers never create
    topics.

    \b
    Examples:
      tagpulse topics create
      TAGPULSE_TOPICS__PARTITIONS=12 TAGPULSE_TOPICS__REPLICATION=3 tagpulse topics create
      tagpulse topics check --json
    """


@command.command("create")
@click.option(
    "--wait",
    "seconds",
    type=click.FloatRange(min=0),
    default=0,
    show_default=True,
    help="Seconds to wait for a broker that is still starting.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object with the keys created and existing.")
def create(seconds: float, as_json: bool) -> None:
    """Create the topics that are missing; existing ones are left unchanged.

    \b
    Examples:
      tagpulse topics create
      tagpulse broker & tagpulse topics create --wait 30
    """
    result = topics.create(_settings(seconds))
    if as_json:
        click.echo(json_text(asdict(result)))
        return
    for name in result.created:
        click.echo(f"{name}: created")
    for name in result.existing:
        click.echo(f"{name}: exists already, left unchanged (tagpulse topics check shows any differences)")


@command.command("grow")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per topic that grew, one per line.")
def grow(as_json: bool) -> None:
    """Add partitions up to TAGPULSE_TOPICS__PARTITIONS while everything keeps running; partitions are never removed.

    Workers and producers use the new partitions within TAGPULSE_KAFKA__METADATA_SECONDS. An edit or deletion of an
    earlier post may arrive in a different partition from the post. Every sink handles that; the watch worker counts
    such an edit as a post and ignores such a deletion.

    \b
    Examples:
      TAGPULSE_TOPICS__PARTITIONS=12 tagpulse topics grow
    """
    grown = topics.grow(_settings())
    for growth in grown:
        click.echo(
            json_text(asdict(growth)) if as_json else f"{growth.topic}: {growth.before} → {growth.now} partitions"
        )
    if not grown and not as_json:
        click.echo("no topic has fewer partitions than TAGPULSE_TOPICS__PARTITIONS asks for")


@command.command("check")
@click.option("--json", "as_json", is_flag=True, help="One JSON object with the keys differences and without_configs.")
def check(as_json: bool) -> int:
    """Show the differences between the topics and the settings; exit code 1 if there are any.

    \b
    Examples:
      tagpulse topics check
      tagpulse topics check --json | jq .differences
    """
    found = topics.check(_settings())
    if as_json:
        click.echo(json_text(asdict(found)))
        return int(bool(found.differences))
    for difference in found.differences:
        click.echo(f"{difference.topic}: {difference.what} is {difference.found}, wanted {difference.wanted}")
    for name in found.without_configs:
        click.echo(f"{name}: configuration not compared, because this broker does not report it")
    if not found.differences:
        click.echo("the topics match the settings")
    return int(bool(found.differences))


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per topic, one per line.")
def listing(as_json: bool) -> None:
    """List the topics of the cluster, with the number of records in those of tagpulse.

    \b
    Examples:
      tagpulse topics list
      tagpulse topics list --json | jq -r .name
    """
    found = topics.listing(_settings())
    if as_json:
        for topic in found:
            click.echo(json_text(asdict(topic)))
        return
    table = Table(Column("topic", overflow="fold"), "role", box=None)
    for name in ("partitions", "replication", "records"):
        table.add_column(name, justify="right")
    for topic in found:
        records = "" if topic.records is None else str(topic.records)
        table.add_row(topic.name, topic.role, str(topic.partitions), str(topic.replication), records)
    Console().print(table)


def _settings(wait: float = 0) -> Settings:
    """Load the settings and wait until the broker answers, since the admin client does not say why it cannot connect.

    Raises:
        Unavailable: If no broker answers within `wait` seconds.
        TagpulseError: Any other error of `connection.probe`.
    """
    settings = load_settings()
    asyncio.run(_wait_for_broker(settings.kafka, time.monotonic() + wait))
    return settings


async def _wait_for_broker(kafka: KafkaSettings, deadline: float) -> None:
    def wait_or_give_up(error: Exception, pause: float) -> None:
        if time.monotonic() + pause > deadline:
            raise error
        click.echo(f"{error}; waiting", err=True)

    await retry(lambda: connection.probe(kafka), Unavailable, Backoff(_LONGEST_PAUSE_SECONDS), wait_or_give_up)
