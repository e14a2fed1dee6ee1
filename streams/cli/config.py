"""`tagpulse config`: show and check the settings and the campaign file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from pydantic_core import to_jsonable_python

from streams.campaign import Campaign, load_campaign
from streams.errors import SettingsError
from streams.settings import Settings, load_settings, variables
from streams.text.terminal import json_text

_CAMPAIGN_OPTION = click.option(
    "--campaign",
    "path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Use this campaign file instead of the one set in TAGPULSE_CAMPAIGN.",
)


@click.group("config")
def command() -> None:
    """Show and check the settings and the campaign file.

    \b
    Examples:
      tagpulse config show
      tagpulse config validate --campaign poltwt.toml
    """


@command.command("show")
@_CAMPAIGN_OPTION
@click.option("--json", "as_json", is_flag=True, help="One JSON object with the keys settings and campaign.")
def show(path: Path | None, as_json: bool) -> None:
    """Show every setting with its value, the origin of the value, and a description; secrets are masked.

    The lines `NAME=value` can be used as an environment file.

    \b
    Examples:
      tagpulse config show
      tagpulse config show --json | jq '.settings | map_values(.value)'
    """
    settings = load_settings()
    campaign = load_campaign(path or settings.campaign)
    if as_json:
        shown = {"settings": _settings(settings), "campaign": to_jsonable_python(campaign)}
        click.echo(json_text(shown))
        return
    for name, setting in _settings(settings).items():
        value = "" if setting["value"] is None else setting["value"]
        line = f"{name}={json_text(value) if isinstance(value, bool | list) else value}"
        click.echo(f"{line:<64}  # ({setting['origin']}) {setting['description']}")
    click.echo("\n" + "\n".join(_campaign_lines(campaign)))


def _settings(settings: Settings) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "value": to_jsonable_python(variable.value(settings)),
            "origin": variable.origin,
            "description": variable.field.description,
        }
        for name, variable in variables().items()
    }


def _campaign_lines(campaign: Campaign) -> list[str]:
    hashtags = " ".join(f"#{tag}" for tag in campaign.hashtags) or "all"
    return [
        f"campaign {campaign.name}",
        f"  hashtags   {hashtags}",
        f"  accounts   {', '.join(campaign.accounts) or 'none'}",
        f"  languages  {', '.join(campaign.languages) or 'all'}",
        f"  sources    {', '.join(campaign.sources) or 'any'}",
        f"  topics     {', '.join(topic.name for topic in campaign.topics) or 'none'}",
    ]


@command.command("validate")
@_CAMPAIGN_OPTION
@click.option("--json", "as_json", is_flag=True, help="One JSON object with the key faults.")
def validate(path: Path | None, as_json: bool) -> int:
    """Report every invalid setting by its variable and every invalid key of the campaign file by its line.

    Exit codes: 0 everything is valid, 78 something is not.

    \b
    Examples:
      tagpulse config validate
      tagpulse config validate --campaign poltwt.toml
    """
    faults: list[str] = []
    try:
        settings = load_settings()
        path = path or settings.campaign
    except SettingsError as error:
        faults += error.faults
        variable = os.environ.get("TAGPULSE_CAMPAIGN")
        path = path or (Path(variable).expanduser() if variable else None)
    try:
        campaign = load_campaign(path)
    except SettingsError as error:
        faults += error.faults
    if as_json:
        click.echo(json_text({"faults": faults}))
    elif faults:
        click.echo("\n".join(faults), err=True)
    else:
        click.echo(f"the settings and the campaign {campaign.name} are valid")
    return SettingsError.exit_code if faults else 0
