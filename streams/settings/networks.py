"""The settings sections for the networks that posts come from."""

from __future__ import annotations

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from streams.settings.sections import Section
from streams.settings.types import Positive, Seconds, is_url, web_address, without_login

_JETSTREAMS = tuple(
    f"wss://jetstream{number}.{region}.bsky.network/subscribe" for region in ("us-east", "us-west") for number in (2, 1)
)


class BlueskySettings(Section):
    """Bluesky's Jetstream; no account is needed."""

    url: str = Field(
        _JETSTREAMS[0],
        pattern=r"^wss?://",
        description="URL of the Jetstream: …/subscribe (v1) or …/xrpc/network.bsky.jetstream.subscribeEvents (v2)",
    )
    urls: str | None = Field(
        None,
        description="comma-separated list of fallback servers, each used when the one before it is unreachable; "
        "default: the other public servers if TAGPULSE_BLUESKY__URL is a public one, otherwise none",
    )
    reposts: bool = Field(True, description="whether to keep reposts of posts that were kept")
    profiles: bool = Field(True, description="whether to drop posts by authors whose profiles opt out of being shown")
    profiles_url: str = Field(
        "https://public.api.bsky.app",
        pattern=r"^https?://[^/\s]+$",
        description="URL of the server that returns the labels of a profile",
    )
    profiles_seconds: Seconds = Field(
        2.0,
        description="how long a post waits for the profile labels; it is then passed on, and deleted later if needed",
    )
    rewind_seconds: Seconds = Field(5.0, description="how far to rewind the saved cursor on reconnecting")
    silence_seconds: Seconds = Field(30.0, description="reconnect after this long without a frame")
    max_backoff_seconds: Seconds = Field(60.0, description="maximum delay before reconnecting")

    @model_validator(mode="after")
    def _addresses(self) -> Self:
        for url in self.servers:
            without_login(url, "TAGPULSE_BLUESKY__URL and TAGPULSE_BLUESKY__URLS")
            if not is_url(url, "ws", "wss"):
                raise ValueError(
                    f"TAGPULSE_BLUESKY__URLS: must be URLs such as wss://HOST/subscribe, not {url[:100]!r}"
                )
        return self

    @property
    def servers(self) -> tuple[str, ...]:
        """The server URLs, in order of preference."""
        if self.urls is None:
            return tuple(dict.fromkeys([self.url, *_JETSTREAMS])) if self.url in _JETSTREAMS else (self.url,)
        return tuple(dict.fromkeys([self.url, *(url.strip() for url in self.urls.split(",") if url.strip())]))


class MastodonSettings(Section):
    """Instances of Mastodon or of software with the same API; each sees the posts of accounts that its users follow."""

    instances: str = Field("https://mastodon.social", min_length=1, description="comma-separated list of instance URLs")
    tokens: SecretStr | None = Field(
        None,
        description="comma-separated list of HOST=TOKEN (a bare TOKEN if there is only one instance): access tokens "
        "with the scope `read:statuses`, which Mastodon 4.2 and later require",
    )
    silence_seconds: Seconds = Field(60.0, description="reconnect after this long without a line")
    max_backoff_seconds: Seconds = Field(60.0, description="maximum delay before reconnecting")
    backfill_posts: Positive = Field(
        4_000,
        description="maximum number of posts fetched after a gap, per hashtag and instance; the rest is reported as "
        "missing",
    )

    @model_validator(mode="after")
    def _servers(self) -> Self:
        hosts = {urlsplit(url).netloc for url in self._addresses()}
        for host, token in self._pairs():
            if host and host not in hosts:
                raise ValueError(
                    "TAGPULSE_MASTODON__TOKENS must be HOST=TOKEN, with a host from TAGPULSE_MASTODON__INSTANCES"
                )
            if not token or any(character.isspace() for character in token) or not token.isascii():
                raise ValueError(
                    "TAGPULSE_MASTODON__TOKENS has a token that is empty or contains spaces or non-ASCII characters"
                )
            if not host and len(hosts) > 1:
                raise ValueError("TAGPULSE_MASTODON__TOKENS must be HOST=TOKEN when there are several instances")
        return self

    @property
    def servers(self) -> dict[str, SecretStr | None]:
        """The token of each instance, by the URL of the instance without a trailing slash."""
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
    """The filtered stream of the X API v2."""

    url: str = Field("https://api.x.com", pattern=r"^https?://[^/@]+$", description="URL of the API")
    token: SecretStr | None = Field(None, description="bearer token of the app")
    rule_tag: str = Field(
        "tagpulse",
        pattern=r"^[A-Za-z0-9_-]{1,50}$",
        description="tag of the stream rules that tagpulse manages; other rules of the X project are left alone, "
        "so each tagpulse deployment in a project needs its own tag",
    )
    rule_characters: Positive = Field(512, description="maximum rule length of the plan")
    backfill_minutes: int = Field(
        0, ge=0, le=5, description="minutes to request again after a disconnect, on plans with backfill; 0: no backfill"
    )
    compliance: bool = Field(
        False,
        description="whether the plan has the compliance streams; if so, deletions of posts already read are applied",
    )
    monthly_posts: Positive | None = Field(
        None, description="maximum number of posts to read per month, in addition to the plan's own limit"
    )
    silence_seconds: Seconds = Field(
        30.0, description="reconnect after this long without a line (X sends one every 20 s)"
    )

    @model_validator(mode="after")
    def _token(self) -> Self:
        token = self.token.get_secret_value() if self.token else "-"
        if not token.isascii() or any(character.isspace() for character in token):
            raise ValueError("TAGPULSE_X__TOKEN must be a bearer token: ASCII characters without spaces")
        return self
