"""What the commands that listen to networks have in common."""

from __future__ import annotations

import click

from streams.campaign import load_campaign
from streams.contracts import find_hashtags, normalise_hashtags
from streams.settings import Settings

tag_option = click.option(
    "--tag",
    "tags",
    multiple=True,
    metavar="HASHTAG",
    help="Also listen to this hashtag, in addition to those of the campaign.",
)


def hashtags_of(settings: Settings, tags: tuple[str, ...]) -> list[str]:
    """Return the hashtags of the campaign and of --tag.

    Raises:
        click.BadParameter: If no post can contain one of the tags.
        SettingsError: If the campaign file is invalid.
    """
    if impossible := [
        tag for tag in tags if find_hashtags(f"#{tag.strip().lstrip('#＃')}") != normalise_hashtags([tag])
    ]:
        raise click.BadParameter(f"no post can contain the hashtag {impossible[0]!r}", param_hint="--tag")
    return [*load_campaign(settings.campaign).hashtags, *tags]
