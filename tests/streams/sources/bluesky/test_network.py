from __future__ import annotations

from datetime import UTC, datetime

import pytest

from streams.contracts import Post
from streams.errors import SettingsError
from streams.settings import Settings
from streams.sources.bluesky.network import Bluesky
from streams.sources.bluesky.source import BlueskySource
from tests.streams.sources.bluesky.frames import NOW, frame, repost


def test_it_listens_from_its_cursor() -> None:
    source = Bluesky(Settings()).open_source(["poltwt"], "1785585600000000")
    assert isinstance(source, BlueskySource)
    assert source.describe("1785585600000000") == "2026-08-01T12:00:00+00:00"
    with pytest.raises(SettingsError, match="not a Bluesky cursor"):
        Bluesky(Settings()).open_source([], "yesterday")


@pytest.mark.parametrize("reposts", [True, False])
def test_its_parser_follows_the_settings_for_hashtags_and_reposts(reposts: bool) -> None:
    parser = Bluesky(Settings(bluesky={"reposts": reposts})).open_parser(["PolTwt"])
    assert parser.read(frame("no tag"), "server", NOW) == []
    [post] = parser.read(frame(), "server", NOW)
    assert isinstance(post, Post)
    assert len(parser.read(repost("r1"), "server", NOW)) == reposts


def test_its_parser_follows_the_settings_for_plausible_times() -> None:
    parser = Bluesky(Settings(produce={"max_age_days": 9_999.0})).open_parser([])
    [post] = parser.read(frame(createdAt="2013-04-15T00:00:00Z"), "server", NOW)
    assert isinstance(post, Post)
    assert post.created_at == datetime(2013, 4, 15, tzinfo=UTC)


def test_a_cursor_belongs_to_the_server() -> None:
    network = Bluesky(Settings(bluesky={"url": "wss://a.example/subscribe"}))
    assert (network.identity(), network.access()) == ("wss://a.example/subscribe", None)
