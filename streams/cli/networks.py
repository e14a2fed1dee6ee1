"""The supported live networks: their sources, parsers and hashtags."""

from __future__ import annotations

from datetime import timedelta

import click

from streams.campaign import load_campaign
from streams.contracts import find_hashtags, normalise_hashtags
from streams.settings import Settings
from streams.sources.base import Parser, Source
from streams.sources.bluesky.jetstream import SOURCE as BLUESKY
from streams.sources.bluesky.posts import JetstreamParser
from streams.sources.bluesky.source import BlueskySource
from streams.sources.live import PostTimes
from streams.sources.mastodon.source import MastodonSource
from streams.sources.mastodon.status import SOURCE as MASTODON
from streams.sources.mastodon.status import MastodonParser
from streams.sources.tags import Tags
from streams.sources.x.source import XSource
from streams.sources.x.tweet import SOURCE as X
from streams.sources.x.tweet import XParser

NETWORKS = (BLUESKY, MASTODON, X)

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


def open_source(network: str, settings: Settings, hashtags: list[str], cursor: str | None = None) -> Source:
    """Return the live source of a network.

    Raises:
        SettingsError: If a required setting or a hashtag is missing, or the cursor is invalid.
    """
    times = _times(settings)
    if network == BLUESKY:
        return BlueskySource(settings.bluesky, hashtags, cursor=cursor, times=times)
    if network == MASTODON:
        return MastodonSource(settings.mastodon, hashtags, cursor=cursor, times=times)
    return XSource(settings.x, hashtags, cursor=cursor, times=times)


def open_parser(network: str, settings: Settings, hashtags: list[str]) -> Parser:
    """Return the parser for recorded frames of a network."""
    times = _times(settings)
    if network == BLUESKY:
        return JetstreamParser(Tags(hashtags), reposts=settings.bluesky.reposts, times=times)
    if network == MASTODON:
        return MastodonParser(Tags(hashtags), times)
    return XParser(tags=Tags(hashtags), times=times)


def _times(settings: Settings) -> PostTimes:
    return PostTimes(timedelta(days=settings.produce.max_age_days))


def identity_of(network: str, settings: Settings) -> str:
    """Return the identity under which the cursor of a network is saved: the endpoint and the raw topic."""
    endpoint = {
        BLUESKY: settings.bluesky.url,
        MASTODON: settings.mastodon.instances,
        X: f"{settings.x.url} by the rules {settings.x.rule_tag}",
    }[network]
    return f"{endpoint} to {settings.topics.raw}"
