from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from streams.settings.networks import BlueskySettings, MastodonSettings, XSettings

PUBLIC = BlueskySettings().servers


def test_a_public_jetstream_has_the_others_as_its_fallback() -> None:
    assert len(PUBLIC) == len(set(PUBLIC)) == 4
    assert all(re.fullmatch(r"wss://jetstream[12]\.us-(east|west)\.bsky\.network/subscribe", url) for url in PUBLIC)
    assert BlueskySettings(url=PUBLIC[2]).servers == (PUBLIC[2], PUBLIC[0], PUBLIC[1], PUBLIC[3])


def test_a_custom_jetstream_has_the_configured_fallback() -> None:
    own = "ws://127.0.0.1:6008/subscribe"
    assert BlueskySettings(url=own).servers == (own,)
    assert BlueskySettings(url=own, urls="").servers == (own,)
    assert BlueskySettings(url=own, urls=f" wss://b.example/subscribe ,,{own}").servers == (
        own,
        "wss://b.example/subscribe",
    )
    assert BlueskySettings(urls="").servers == PUBLIC[:1], "an empty list is no fallback"


@pytest.mark.parametrize("url", ["https://a.example", "wss://", "wss://[::1", "wss://a:x", "wss://a b/subscribe"])
def test_a_fallback_that_cannot_be_used_is_named(url: str) -> None:
    with pytest.raises(ValidationError, match=re.escape("TAGPULSE_BLUESKY__URLS: must be URLs such as wss://HOST")):
        BlueskySettings(urls=url)


def test_each_instance_has_its_token() -> None:
    settings = MastodonSettings(
        instances="one.example, https://two.example/,http://three.example:3000",
        tokens=SecretStr("one.example = t1 ,three.example:3000=t3="),
    )
    assert settings.servers == {
        "https://one.example": SecretStr("t1"),
        "https://two.example": None,
        "http://three.example:3000": SecretStr("t3="),
    }


def test_a_bare_token_belongs_to_the_only_instance() -> None:
    settings = MastodonSettings(instances="one.example", tokens=SecretStr(" t1 "))
    assert settings.servers == {"https://one.example": SecretStr("t1")}
    assert MastodonSettings().servers == {"https://mastodon.social": None}
    assert MastodonSettings(tokens=SecretStr("")).servers == {"https://mastodon.social": None}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"instances": "a.example", "tokens": "b.example=t"}, "with a host from TAGPULSE_MASTODON__INSTANCES"),
        ({"instances": "a.example", "tokens": "a.example="}, "a token that is empty"),
        ({"instances": "a.example", "tokens": "a b"}, "or contains spaces"),
        ({"instances": "a.example", "tokens": "tökén"}, "or non-ASCII characters"),
        ({"instances": "a.example,b.example", "tokens": "t"}, "when there are several instances"),
        ({"instances": "a.example,", "tokens": "t"}, "TAGPULSE_MASTODON__INSTANCES: must be URLs"),
    ],
)
def test_a_wrong_token_is_explained_without_showing_it(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        MastodonSettings(**fields)


def test_the_token_of_x_is_one_word() -> None:
    assert XSettings(token=SecretStr("AAAA%2F")).token == SecretStr("AAAA%2F")
    assert XSettings().token is None
    for token in ("two words", "tökén", "a\n"):
        with pytest.raises(ValidationError, match="TAGPULSE_X__TOKEN must be a bearer token"):
            XSettings(token=SecretStr(token))


def test_a_token_is_not_shown() -> None:
    settings = MastodonSettings(instances="one.example, https://two.example/", tokens="two.example=secret2")
    tokens = {url: token.get_secret_value() if token else None for url, token in settings.servers.items()}
    assert tokens == {"https://one.example": None, "https://two.example": "secret2"}
    assert "secret2" not in repr(settings)


@pytest.mark.parametrize(
    ("instances", "tokens"),
    [
        ("one.example", "two.example=x"),
        ("one.example,two.example", "x"),
        ("one.example", "a b"),
        ("ftp://x", ""),
        ("h/p", ""),
    ],
)
def test_faulty_settings_are_named_without_the_secret(instances: str, tokens: str) -> None:
    with pytest.raises(ValueError, match="TAGPULSE_MASTODON__"):
        MastodonSettings(instances=instances, tokens=tokens or None)
