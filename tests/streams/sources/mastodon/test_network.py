from __future__ import annotations

import pytest

from streams.contracts import Post
from streams.errors import SettingsError
from streams.settings import Settings
from streams.sources.mastodon.network import Mastodon
from streams.sources.mastodon.source import MastodonSource
from tests.helpers import mastodon
from tests.helpers.networks import NOW

SERVERS = {"instances": "one.example,two.example", "tokens": "one.example=canary"}


def test_it_listens_to_hashtags_from_its_cursor() -> None:
    network = Mastodon(Settings())
    assert isinstance(network.open_source(["poltwt"], "{}"), MastodonSource)
    with pytest.raises(SettingsError, match="requires a hashtag"):
        network.open_source([])
    with pytest.raises(SettingsError, match="not a Mastodon cursor"):
        network.open_source(["poltwt"], "yesterday")


def test_its_parser_keeps_the_hashtags() -> None:
    event = mastodon.update(0)
    parsed = {tag: Mastodon(Settings()).open_parser([tag]).read(event, "one.example", NOW) for tag in ("PolTwt", "k9")}
    assert [type(content) for content in parsed["PolTwt"]] == [Post]
    assert parsed["k9"] == []


def test_a_cursor_belongs_to_the_instances() -> None:
    assert Mastodon(Settings(mastodon=SERVERS)).identity() == SERVERS["instances"]


def test_a_missing_token_is_a_warning_that_names_the_instance() -> None:
    access = Mastodon(Settings(mastodon=SERVERS)).access()
    assert access.status == "warn"
    assert access.detail.startswith("no token for https://two.example: ")
    assert "TAGPULSE_MASTODON__TOKENS" in access.advice


def test_tokens_are_not_shown() -> None:
    access = Mastodon(Settings(mastodon={"instances": "one.example", "tokens": "canary"})).access()
    assert access == ("ok", "a token is set for https://one.example", "")
