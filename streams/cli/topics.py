"""`tagpulse topics`: create, grow, check and list the Kafka topics."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Column, Table

from streams.backoff import Backoff
from streams.errors import Unavailable
from streams.kafka import connection, topics
from streams.settings import KafkaSettings, Settings, load_settings
from streams.text.terminal import json_text

_LONGEST_PAUSE_SECONDS = 1.0


@click.group("topics")
def command() -> None:
    """Create, grow, check and list the Kafka topics.

    Names and shape come from the settings TAGPULSE_TOPICS__…; nothing else of tagpulse ever makes a topic.

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
    help="Seconds in which a broker that is being started may come up.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object: made, stood.")
def create(seconds: float, as_json: bool) -> None:
    """Make the topics that are missing; those that stand are left as they are.

    \b
    Examples:
      tagpulse topics create
      tagpulse broker & tagpulse topics create --wait 30
    """
    created = topics.create(_settings(seconds))
    if as_json:
        click.echo(json_text(asdict(created)))
        return
    for name in created.made:
        click.echo(f"{name}: created")
    for name in created.stood:
        click.echo(f"{name}: stood already, left as it is (tagpulse topics check says whether it differs)")


@command.command("grow")
@click.option("--json", "as_json", is_flag=True, help="A JSON object for each topic that grew, one a line.")
def grow(as_json: bool) -> None:
    """Add the partitions that TAGPULSE_TOPICS__PARTITIONS asks for, while everything runs; they are never taken away.

    Workers and producers use them within TAGPULSE_KAFKA__METADATA_SECONDS. An edit or a deletion of a post from before may
    come in another partition than the post: every sink puts that right, the minutes of the watch count it as unknown.

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
        click.echo("no topic has fewer partitions than the settings want")


@command.command("check")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: differences, without_configs.")
def check(as_json: bool) -> int:
    """Say what differs between the topics and the settings; exit code 1 when something does.

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
        click.echo(f"{name}: this broker tells no configurations, so that they were not compared")
    if not found.differences:
        click.echo("the topics are as the settings want them")
    return int(bool(found.differences))


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="A JSON object for each topic, one a line.")
def listing(as_json: bool) -> None:
    """List the topics of the cluster; for those of the settings, how many records they keep.

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
    """The settings, once the broker is known to answer: the admin client would only say that it could not connect.

    Raises Unavailable when nothing answers within `wait` seconds, and what `connection.probe` raises.
    """
    settings = load_settings()
    asyncio.run(_answering(settings.kafka, time.monotonic() + wait))
    return settings


async def _answering(kafka: KafkaSettings, deadline: float) -> None:
    backoff = Backoff(_LONGEST_PAUSE_SECONDS)
    while True:
        try:
            return await connection.probe(kafka)
        except Unavailable as error:
            pause = backoff.next()
            if time.monotonic() + pause > deadline:
                raise
            click.echo(f"{error}; waiting", err=True)
            await asyncio.sleep(pause)
