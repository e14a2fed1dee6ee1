"""Bluesky as a network that can be listened to."""

from __future__ import annotations

from collections.abc import Sequence

from streams.sources.base import Parser, Source
from streams.sources.bluesky.jetstream import SOURCE
from streams.sources.bluesky.posts import JetstreamParser
from streams.sources.bluesky.source import BlueskySource
from streams.sources.network import Network
from streams.sources.tags import Tags


class Bluesky(Network):
    """Bluesky, through a Jetstream."""

    name = SOURCE
    help = """Listen to hashtags on Bluesky until stopped; no account is needed.

    The hashtags are those of the campaign and of --tag; without any, every post with a hashtag is read. After a
    restart, the command continues where the last run ended, as far back as the server's history goes.

    \b
    Examples:
      tagpulse produce bluesky --tag poltwt
      TAGPULSE_CAMPAIGN=poltwt.toml tagpulse produce bluesky
    """

    def open_source(self, hashtags: Sequence[str], cursor: str | None = None) -> Source:
        return BlueskySource(self.settings.bluesky, hashtags, cursor=cursor, times=self.times)

    def open_parser(self, hashtags: Sequence[str]) -> Parser:
        return JetstreamParser(Tags(hashtags), reposts=self.settings.bluesky.reposts, times=self.times)

    def identity(self) -> str:
        return self.settings.bluesky.url
