"""The sections of the networks that are listened to."""

from __future__ import annotations

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from streams.settings.sections import Section
from streams.settings.types import Positive, Seconds, web_address, without_login

_JETSTREAMS = tuple(
    f"wss://jetstream{number}.{place}.bsky.network/subscribe" for place in ("us-east", "us-west") for number in (2, 1)
)


class BlueskySettings(Section):
    """The Jetstream of Bluesky; no account is needed."""

    url: str = Field(
        _JETSTREAMS[0],
        pattern=r"^wss?://",
        description="of the Jetstream server: …/subscribe (v1) or …/xrpc/network.bsky.jetstream.subscribeEvents (v2)",
    )
    urls: str | None = Field(
        None,
        description="further servers, with commas between: each takes over when the one before it cannot be reached; "
        "default: the other public ones, where URL is a public one",
    )
    reposts: bool = Field(True, description="whether reposts of the posts that were kept are kept as well")
    profiles: bool = Field(
        True, description="whether posts are left out whose authors' profiles say that they are not to be shown"
    )
    profiles_url: str = Field(
        "https://public.api.bsky.app",
        pattern=r"^https?://[^/\s]+$",
        description="of the server that is asked for the labels on profiles",
    )
    profiles_seconds: Seconds = Field(
        2.0, description="a post waits no longer for the answer: it is passed on, and deleted later if need be"
    )
    rewind_seconds: Seconds = Field(5.0, description="how far the saved cursor is set back at a reconnect")
    silence_seconds: Seconds = Field(30.0, description="without a frame for this long the connection is made anew")
    max_backoff_seconds: Seconds = Field(60.0, description="the longest wait before a new connection")

    @model_validator(mode="after")
    def _addresses(self) -> Self:
        for url in self.servers:
            without_login(url, "TAGPULSE_BLUESKY__URL and TAGPULSE_BLUESKY__URLS")
            parts = urlsplit(url)
            if parts.scheme not in ("ws", "wss") or not parts.hostname:
                raise ValueError(
                    f"TAGPULSE_BLUESKY__URLS: must be addresses such as wss://HOST/subscribe, not {url[:100]!r}"
                )
        return self

    @property
    def servers(self) -> tuple[str, ...]:
        """All addresses, the first choice first."""
        if self.urls is None:
            return tuple(dict.fromkeys([self.url, *_JETSTREAMS])) if self.url in _JETSTREAMS else (self.url,)
        return tuple(dict.fromkeys([self.url, *(url.strip() for url in self.urls.split(",") if url.strip())]))


class MastodonSettings(Section):
    """Instances of Mastodon, and of what speaks its protocol. Each sees the posts of those that its people follow."""

    instances: str = Field(
        "https://mastodon.social", min_length=1, description="addresses of one or more instances, with commas between"
    )
    tokens: SecretStr | None = Field(
        None,
        description="HOST=TOKEN with commas between (or one TOKEN for one instance): access tokens with the right "
        "`read:statuses`, which instances since 4.2 ask for",
    )
    silence_seconds: Seconds = Field(60.0, description="without a line for this long the connection is made anew")
    max_backoff_seconds: Seconds = Field(60.0, description="the longest wait before a new connection")
    backfill_posts: Positive = Field(
        4_000,
        description="of each hashtag and instance: so many are fetched after a gap, what is beyond is reported missing",
    )

    @model_validator(mode="after")
    def _servers(self) -> Self:
        hosts = {urlsplit(url).netloc for url in self._addresses()}
        for host, token in self._pairs():
            if host and host not in hosts:
                raise ValueError(
                    "TAGPULSE_MASTODON__TOKENS must be HOST=TOKEN with the hosts of TAGPULSE_MASTODON__INSTANCES"
                )
            if not token or any(character.isspace() for character in token) or not token.isascii():
                raise ValueError("TAGPULSE_MASTODON__TOKENS holds an empty token, or one with spaces in it")
            if not host and len(hosts) > 1:
                raise ValueError("TAGPULSE_MASTODON__TOKENS must be HOST=TOKEN where there are several instances")
        return self

    @property
    def servers(self) -> dict[str, SecretStr | None]:
        """The address of each instance, without a slash at its end, and its token."""
        tokens = dict(self._pairs())
        found: dict[str, SecretStr | None] = {}
        for url in self._addresses():
            token = tokens.get(urlsplit(url).netloc, tokens.get(""))
            found[url] = SecretStr(token) if token else None
        return found

    def _addresses(self) -> list[str]:
        return [web_address(part, "TAGPULSE_MASTODON__INSTANCES") for part in self.instances.split(",")]

    def _pairs(self) -> list[tuple[str, str]]:
        text = self.tokens.get_secret_value() if self.tokens else ""
        return [_pair(part.strip()) for part in text.split(",")] if text else []


def _pair(part: str) -> tuple[str, str]:
    host, equals, token = part.partition("=")
    return (host.strip(), token.strip()) if equals else ("", part)


class XSettings(Section):
    """The filtered stream of X's API v2."""

    url: str = Field("https://api.x.com", pattern=r"^https?://[^/@]+$", description="of the API")
    token: SecretStr | None = Field(None, description="the app's bearer token")
    rule_tag: str = Field(
        "tagpulse",
        pattern=r"^[A-Za-z0-9_-]{1,50}$",
        description="marks the rules that are ours: others of the project are left alone; one for each tagpulse of a project",
    )
    rule_characters: Positive = Field(512, description="the longest rule that the plan allows")
    backfill_minutes: int = Field(
        0, ge=0, le=5, description="after a cut so much is sent again, on plans that have it; 0: the plan has not"
    )
    compliance: bool = Field(
        False,
        description="whether the plan has the compliance streams: then deletions of posts that were read are honoured",
    )
    monthly_posts: Positive | None = Field(
        None, description="read no more posts in a month than this; the plan's own limit holds besides"
    )
    silence_seconds: Seconds = Field(
        30.0, description="without a line (X sends one every 20 s) for this long the connection is made anew"
    )

    @model_validator(mode="after")
    def _token(self) -> Self:
        token = self.token.get_secret_value() if self.token else "-"
        if not token.isascii() or any(character.isspace() for character in token):
            raise ValueError("TAGPULSE_X__TOKEN must be a bearer token, without spaces")
        return self
