"""X as a network that can be listened to."""

from __future__ import annotations

from collections.abc import Sequence

from streams.sources.base import Parser, Source
from streams.sources.network import Access, Network
from streams.sources.tags import Tags
from streams.sources.x.source import XSource
from streams.sources.x.tweet import SOURCE, XParser


class X(Network):
    """X, through the filtered stream of its API v2."""

    name = SOURCE
    help = """Listen to hashtags on X until stopped, using the filtered stream of API v2.

    The hashtags are those of the campaign and of --tag. X requires the bearer token (TAGPULSE_X__TOKEN) of an app whose
    plan includes the filtered stream. Rules created by others in the same project are left alone.

    \b
    Examples:
      TAGPULSE_X__TOKEN=… tagpulse produce x --tag poltwt
      TAGPULSE_X__BACKFILL_MINUTES=5 TAGPULSE_SECRETS_DIR=/run/secrets tagpulse produce x --tag poltwt
    """

    def open_source(self, hashtags: Sequence[str], cursor: str | None = None) -> Source:
        return XSource(self.settings.x, hashtags, cursor=cursor, times=self.times)

    def open_parser(self, hashtags: Sequence[str]) -> Parser:
        return XParser(tags=Tags(hashtags), times=self.times)

    def identity(self) -> str:
        return f"{self.settings.x.url} by the rules {self.settings.x.rule_tag}"

    def access(self) -> Access:
        if self.settings.x.token is None:
            return Access("fail", "no token: X requires a bearer token", "set TAGPULSE_X__TOKEN: see docs/sources.md")
        return Access("ok", f"a token is set for {self.settings.x.url}")
