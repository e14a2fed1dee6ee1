"""`tagpulse alerts`: send test alerts and list the spikes of a run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import click
from rich.table import Column, Table
from rich.text import Text

from streams import log
from streams.campaign import load_campaign
from streams.cli.console import console
from streams.cli.options import run_option
from streams.contracts import SPIKE_KINDS, Spike, SpikeKind, decode_spike, record_location, utc_now
from streams.delivery.http import Poster, Response
from streams.delivery.sample import sample_spikes
from streams.delivery.targets import AlertmanagerTarget, WebhookTarget, alertmanagers, webhooks
from streams.errors import BadMessage, SettingsError
from streams.kafka import connection
from streams.kafka.reader import read_topic
from streams.settings import Settings, load_settings
from streams.text.terminal import json_text, plain, span

_HASHTAG = "poltwt"


class _Attempt(NamedTuple):
    target: AlertmanagerTarget | WebhookTarget
    spike: Spike
    response: Response


@click.group()
def command() -> None:
    """Send test alerts and list the spikes of a run.

    `tagpulse worker watch` finds spikes and delivers them to the targets set with TAGPULSE_ALERTS__….

    \b
    Examples:
      tagpulse alerts test
      tagpulse alerts show --run again --json
    """


@command.command("test")
@click.option(
    "--to",
    "kinds",
    type=click.Choice(["alertmanager", "webhook"]),
    multiple=True,
    help="Only targets of this kind; default: all configured targets.",
)
@click.option("--name", "names", metavar="NAME", multiple=True, help="Only the target with this name.")
@click.option(
    "--kind",
    "spike_kind",
    type=click.Choice(SPIKE_KINDS),
    default="negative",
    show_default=True,
    help="Kind of the sample spike.",
)
@click.option(
    "--hold",
    type=click.FloatRange(0, 3600),
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    help="Time to wait before the sample spike is closed. Alertmanager only notifies its receivers of alerts that last"
    " longer than its group_wait.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per message, one per line.")
def test(kinds: tuple[str, ...], names: tuple[str, ...], spike_kind: SpikeKind, hold: float, as_json: bool) -> int:
    """Send a sample spike and then its closing message to each target once, and show the responses.

    The messages say that they are a test, and the alert has the label test="true" in addition to those of a real one.
    Nothing is written to Kafka.

    Exit code 1 if a target did not accept both messages.

    \b
    Examples:
      tagpulse alerts test
      tagpulse alerts test --to alertmanager --hold 60
      TAGPULSE_ALERTS__WEBHOOK_URL=http://127.0.0.1:8080/ tagpulse alerts test --to webhook
    """
    settings = load_settings()
    log.configure(settings.log)
    targets = _targets(settings, kinds, names)
    campaign = load_campaign(settings.campaign)
    hashtag = next(iter(campaign.hashtags), _HASHTAG)
    attempts = asyncio.run(_test(targets, settings, sample_spikes(spike_kind, hashtag, utc_now()), hold, as_json))
    return int(any(attempt.response.outcome != "delivered" for attempt in attempts))


@command.command("show")
@run_option
@click.option("--open", "only_open", is_flag=True, help="Only spikes that have not closed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per spike, its latest message, one per line.")
def show(run: str | None, only_open: bool, as_json: bool) -> None:
    """List the spikes of a run, oldest first, each by its latest message.

    \b
    Examples:
      tagpulse alerts show
      tagpulse alerts show --open
      tagpulse alerts show --run again --json | jq -r .explanation.summary
    """
    settings = load_settings() if run is None else load_settings(run=run)
    log.configure(settings.log)
    asyncio.run(connection.probe(settings.kafka, topics=[settings.topics.alerts]))
    spikes = [spike for spike in _latest_spikes(settings) if not only_open or spike.state != "closed"]
    if as_json:
        for spike in spikes:
            click.echo(json_text(spike))
        return
    if not spikes:
        click.echo(f"{settings.topics.alerts} has no {'open ' if only_open else ''}spikes")
        return
    since, until, kind = (Column(name, no_wrap=True) for name in ("since", "until", "kind"))
    hashtag, summary = Column("hashtag", overflow="fold"), Column("summary", overflow="fold", ratio=1)
    table = Table(since, until, kind, hashtag, summary, show_lines=True)
    for spike in spikes:
        cells = [*span(spike.opened_at, spike.closed_at), spike.kind, f"#{plain(spike.hashtag)}"]
        table.add_row(*map(Text, [*cells, plain(spike.explanation.summary)]))
    console().print(table)


def _targets(
    settings: Settings, kinds: Sequence[str], names: Sequence[str]
) -> list[AlertmanagerTarget | WebhookTarget]:
    known: list[AlertmanagerTarget | WebhookTarget] = []
    if not kinds or "alertmanager" in kinds:
        known += alertmanagers(settings, test=True)
    if not kinds or "webhook" in kinds:
        known += webhooks(settings, test=True)
    if not known:
        raise SettingsError(
            "no such alert target is configured: set TAGPULSE_ALERTS__ALERTMANAGER_URL, TAGPULSE_ALERTS__WEBHOOK_URL or"
            " TAGPULSE_ALERTS__WEBHOOKS"
        )
    if unknown := set(names) - {target.name for target in known}:
        raise click.BadParameter(
            f"no target named {', '.join(sorted(unknown))}: the targets are {', '.join(each.name for each in known)}",
            param_hint="--name",
        )
    return [target for target in known if not names or target.name in names]


async def _test(
    targets: Sequence[AlertmanagerTarget | WebhookTarget],
    settings: Settings,
    spikes: Sequence[Spike],
    hold: float,
    as_json: bool,
) -> list[_Attempt]:
    poster = Poster(settings.alerts.timeout_seconds)
    attempts: list[_Attempt] = []
    try:
        for number, spike in enumerate(spikes):
            if number and hold:
                await asyncio.sleep(hold)
            for target in targets:
                began = time.monotonic()
                attempt = _Attempt(target, spike, await _send(target, poster, spike))
                attempts.append(attempt)
                line = _as_object if as_json else _as_line
                click.echo(line(attempt, time.monotonic() - began))
    finally:
        await poster.close()
    return attempts


async def _send(target: AlertmanagerTarget | WebhookTarget, poster: Poster, spike: Spike) -> Response:
    if isinstance(target, AlertmanagerTarget):
        return await target.send(poster, [spike])
    return await target.send(poster, spike)


def _as_line(attempt: _Attempt, seconds: float) -> str:
    target, response = attempt.target, attempt.response
    return (
        f"{target.name} ({target.place}): the {attempt.spike.state} spike was {_OUTCOME_TEXT[response.outcome]}"
        f" in {seconds:.2f} s: {plain(response.detail)}"
    )


_OUTCOME_TEXT = {"delivered": "delivered", "refused": "permanently refused", "failed": "not delivered"}


def _as_object(attempt: _Attempt, seconds: float) -> str:
    found: dict[str, Any] = {
        "target": attempt.target.name,
        "place": attempt.target.place,
        "state": attempt.spike.state,
        "outcome": attempt.response.outcome,
        "detail": attempt.response.detail,
        "seconds": round(seconds, 3),
    }
    return json_text(found)


def _latest_spikes(settings: Settings) -> list[Spike]:
    spikes: dict[str, Spike] = {}
    for record in read_topic(settings.kafka, settings.topics.alerts):
        try:
            spike = decode_spike(record.value, record.headers)
        except BadMessage as error:
            location = record_location(record.topic, record.partition, record.offset)
            click.echo(f"{location} is not a spike, skipped: {plain(str(error))}", err=True)
        else:
            spikes[spike.id] = spike
    return sorted(spikes.values(), key=lambda spike: (spike.opened_at, spike.id))
