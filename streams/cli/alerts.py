"""`tagpulse alerts`: try the way that alerts take, and list the spikes of a run."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import click
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from streams import log
from streams.campaign import load_campaign
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
_WIDTH = 200


class _Told(NamedTuple):
    target: AlertmanagerTarget | WebhookTarget
    spike: Spike
    answer: Response


@click.group()
def command() -> None:
    """Try the way that alerts take, and list the spikes of a run.

    `tagpulse worker watch` finds spikes and delivers them to the targets of TAGPULSE_ALERTS__….

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
    help="Only these targets; default: all of the settings.",
)
@click.option("--name", "names", metavar="NAME", multiple=True, help="Only the target of this name.")
@click.option(
    "--kind", "spike_kind", type=click.Choice(SPIKE_KINDS), default="negative", show_default=True, help="Of the sample."
)
@click.option(
    "--hold",
    type=click.FloatRange(0, 3600),
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    help="Wait so long before the sample is over. Alertmanager tells its receivers only of what outlives its group_wait.",
)
@click.option("--json", "as_json", is_flag=True, help="A JSON object for each message, one a line.")
def test(kinds: tuple[str, ...], names: tuple[str, ...], spike_kind: SpikeKind, hold: float, as_json: bool) -> int:
    """Send a sample spike, and that it is over, to each target once, and tell what it answers.

    The messages say that they are a test; the alert has the label test="true" beside those of a real one. Nothing is
    written to Kafka.

    Exit code 1 when a target did not take both messages.

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
    told = asyncio.run(_test(targets, settings, sample_spikes(spike_kind, hashtag, utc_now()), hold, as_json))
    return int(any(each.answer.outcome != "delivered" for each in told))


@command.command("show")
@run_option
@click.option("--open", "only_open", is_flag=True, help="Only those that are not over.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object for each spike, as it was last told, one a line.")
def show(run: str | None, only_open: bool, as_json: bool) -> None:
    """List the spikes of a run, oldest first, as they were last told.

    \b
    Examples:
      tagpulse alerts show
      tagpulse alerts show --open
      tagpulse alerts show --run again --json | jq -r .explanation.summary
    """
    settings = load_settings() if run is None else load_settings(run=run)
    log.configure(settings.log)
    asyncio.run(connection.probe(settings.kafka, topics=[settings.topics.alerts]))
    spikes = [spike for spike in _last_told(settings) if not only_open or spike.state != "closed"]
    if as_json:
        for spike in spikes:
            click.echo(json_text(spike))
        return
    if not spikes:
        click.echo(f"{settings.topics.alerts} has no {'open ' if only_open else ''}spikes")
        return
    since, until, kind = (Column(name, no_wrap=True) for name in ("since", "until", "kind"))
    hashtag, about = Column("hashtag", overflow="fold"), Column("what it is about", overflow="fold", ratio=1)
    table = Table(since, until, kind, hashtag, about, show_lines=True)
    for spike in spikes:
        cells = [*span(spike.opened_at, spike.closed_at), spike.kind, f"#{plain(spike.hashtag)}"]
        table.add_row(*map(Text, [*cells, plain(spike.explanation.summary)]))
    Console(width=None if sys.stdout.isatty() else _WIDTH).print(table)


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
            "no target is set: TAGPULSE_ALERTS__ALERTMANAGER_URL, TAGPULSE_ALERTS__WEBHOOK_URL or TAGPULSE_ALERTS__WEBHOOKS"
        )
    if unknown := set(names) - {target.name for target in known}:
        raise click.BadParameter(
            f"no target {', '.join(sorted(unknown))}: there are {', '.join(target.name for target in known)}",
            param_hint="--name",
        )
    return [target for target in known if not names or target.name in names]


async def _test(
    targets: Sequence[AlertmanagerTarget | WebhookTarget],
    settings: Settings,
    spikes: Sequence[Spike],
    hold: float,
    as_json: bool,
) -> list[_Told]:
    poster = Poster(settings.alerts.timeout_seconds)
    told: list[_Told] = []
    try:
        for number, spike in enumerate(spikes):
            if number and hold:
                await asyncio.sleep(hold)
            for target in targets:
                began = time.monotonic()
                answer = await _send(target, poster, spike)
                told.append(_Told(target, spike, answer))
                line = _as_object if as_json else _as_line
                click.echo(line(told[-1], time.monotonic() - began))
    finally:
        await poster.close()
    return told


async def _send(target: AlertmanagerTarget | WebhookTarget, poster: Poster, spike: Spike) -> Response:
    if isinstance(target, AlertmanagerTarget):
        return await target.send(poster, [spike])
    return await target.send(poster, spike)


def _as_line(told: _Told, seconds: float) -> str:
    target, answer = told.target, told.answer
    return (
        f"{target.name} ({target.place}): the {told.spike.state} spike was {_SAID[answer.outcome]}"
        f" in {seconds:.2f} s: {plain(answer.detail)}"
    )


_SAID = {"delivered": "taken", "refused": "refused for good", "failed": "not taken"}


def _as_object(told: _Told, seconds: float) -> str:
    found: dict[str, Any] = {
        "target": told.target.name,
        "place": told.target.place,
        "state": told.spike.state,
        "outcome": told.answer.outcome,
        "detail": told.answer.detail,
        "seconds": round(seconds, 3),
    }
    return json_text(found)


def _last_told(settings: Settings) -> list[Spike]:
    spikes: dict[str, Spike] = {}
    for record in read_topic(settings.kafka, settings.topics.alerts):
        try:
            spike = decode_spike(record.value, record.headers)
        except BadMessage as error:
            place = record_location(record.topic, record.partition, record.offset)
            click.echo(f"{place} is no spike: passed over: {plain(str(error))}", err=True)
        else:
            spikes[spike.id] = spike
    return sorted(spikes.values(), key=lambda spike: (spike.opened_at, spike.id))
