"""The networks that can be listened to: the source of each, its parser, and the hashtags."""

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
    "--tag", "tags", multiple=True, metavar="HASHTAG", help="Also listen to this one, beside the campaign's."
)


def hashtags_of(settings: Settings, tags: tuple[str, ...]) -> list[str]:
    """Those of the campaign and of --tag. Raises click.BadParameter and SettingsError."""
    if useless := [tag for tag in tags if find_hashtags(f"#{tag.strip().lstrip('#＃')}") != normalise_hashtags([tag])]:
        raise click.BadParameter(f"no post can carry the hashtag {useless[0]!r}", param_hint="--tag")
    return [*load_campaign(settings.campaign).hashtags, *tags]


def open_source(network: str, settings: Settings, hashtags: list[str], cursor: str | None = None) -> Source:
    """The live source of a network. Raises SettingsError."""
    times = _times(settings)
    if network == BLUESKY:
        return BlueskySource(settings.bluesky, hashtags, cursor=cursor, times=times)
    if network == MASTODON:
        return MastodonSource(settings.mastodon, hashtags, cursor=cursor, times=times)
    return XSource(settings.x, hashtags, cursor=cursor, times=times)


def open_parser(network: str, settings: Settings, hashtags: list[str]) -> Parser:
    """What reads the frames of a network as they were recorded, by whomever."""
    times = _times(settings)
    if network == BLUESKY:
        return JetstreamParser(Tags(hashtags), reposts=settings.bluesky.reposts, times=times)
    if network == MASTODON:
        return MastodonParser(Tags(hashtags), times)
    return XParser(tags=Tags(hashtags), times=times)


def _times(settings: Settings) -> PostTimes:
    return PostTimes(timedelta(days=settings.produce.max_age_days))


def identity_of(network: str, settings: Settings) -> str:
    """What a saved cursor of a network is good for."""
    place = {
        BLUESKY: settings.bluesky.url,
        MASTODON: settings.mastodon.instances,
        X: f"{settings.x.url} by the rules {settings.x.rule_tag}",
    }[network]
    return f"{place} to {settings.topics.raw}"
