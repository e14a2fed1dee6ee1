from __future__ import annotations

import pytest

from streams.contracts import Post
from streams.errors import SettingsError
from streams.settings import Settings
from streams.sources.x.network import X
from streams.sources.x.source import XSource
from tests.helpers.x import NOW, line


def network(**x: str) -> X:
    return X(Settings(x=x))


def test_it_listens_with_a_token() -> None:
    assert isinstance(network(token="canary").open_source(["poltwt"]), XSource)
    with pytest.raises(SettingsError, match="TAGPULSE_X__TOKEN is missing"):
        network().open_source(["poltwt"])
    with pytest.raises(SettingsError, match="requires a hashtag"):
        network(token="canary").open_source([])
    with pytest.raises(SettingsError, match="not an X cursor"):
        network(token="canary").open_source(["poltwt"], "yesterday")


def test_its_parser_keeps_the_hashtags_whichever_rule_found_them() -> None:
    frame = line(0).replace(b'"tag":"tagpulse"', b'"tag":"another"')
    assert [type(content) for content in network().open_parser(["PolTwt"]).read(frame, "x", NOW)] == [Post]
    assert network().open_parser(["k9"]).read(frame, "x", NOW) == []


def test_a_cursor_belongs_to_the_rules() -> None:
    assert network().identity() == "https://api.x.com by the rules tagpulse"
    assert network(rule_tag="second").identity() != network().identity()


def test_without_a_token_it_cannot_listen() -> None:
    access = network().access()
    assert (access.status, access.advice) == ("fail", "set TAGPULSE_X__TOKEN: see docs/sources.md")
    assert network(token="canary").access() == ("ok", "a token is set for https://api.x.com", "")
