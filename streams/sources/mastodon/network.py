"""Mastodon as a network that can be listened to."""

from __future__ import annotations

from collections.abc import Sequence

from streams.sources.base import Parser, Source
from streams.sources.mastodon.source import MastodonSource
from streams.sources.mastodon.status import SOURCE, MastodonParser
from streams.sources.network import Access, Network
from streams.sources.tags import Tags


class Mastodon(Network):
    """Mastodon, through the hashtag streams of one or more instances."""

    name = SOURCE
    help = """Listen to hashtags on one or more Mastodon instances until stopped.

    The hashtags are those of the campaign and of --tag. Most instances require a token (TAGPULSE_MASTODON__TOKENS) with
    the scope read:statuses. After a restart, the command fetches the posts it missed.

    \b
    Examples:
      TAGPULSE_MASTODON__TOKENS=… tagpulse produce mastodon --tag poltwt
      TAGPULSE_MASTODON__INSTANCES=mastodon.social,chaos.social TAGPULSE_SECRETS_DIR=/run/secrets \\
          tagpulse produce mastodon --tag poltwt
    """

    def open_source(self, hashtags: Sequence[str], cursor: str | None = None) -> Source:
        return MastodonSource(self.settings.mastodon, hashtags, cursor=cursor, times=self.times)

    def open_parser(self, hashtags: Sequence[str]) -> Parser:
        return MastodonParser(Tags(hashtags), self.times)

    def identity(self) -> str:
        return self.settings.mastodon.instances

    def access(self) -> Access:
        servers = self.settings.mastodon.servers
        without = [url for url, token in servers.items() if token is None]
        if without:
            advice = "set TAGPULSE_MASTODON__TOKENS: see docs/sources.md"
            return Access("warn", f"no token for {', '.join(without)}: Mastodon 4.2 and later require one", advice)
        return Access("ok", f"a token is set for {', '.join(servers)}")
