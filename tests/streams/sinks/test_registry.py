"""Sinks are found by name; without a name, all configured sinks are meant."""

from __future__ import annotations

import pytest

from streams.errors import BadInput
from streams.settings import Settings
from streams.sinks.base import Sink
from streams.sinks.registry import SINKS, chosen_sinks

WITHOUT = Settings()
WITH = Settings(postgres={"dsn": "postgresql://127.0.0.1/posts"})


def test_the_built_in_sinks_are_found_by_their_own_names() -> None:
    assert {"parquet", "postgres"} <= set(SINKS.names())
    for name in ("parquet", "postgres"):
        kind = SINKS.find(name)
        assert issubclass(kind, Sink)
        assert kind.name == name
    with pytest.raises(BadInput, match="no sink 'mongo'"):
        SINKS.find("mongo")


def test_without_a_server_postgres_is_not_configured() -> None:
    assert chosen_sinks([], WITHOUT) == [name for name in SINKS.names() if name != "postgres"]
    assert chosen_sinks([], WITH) == list(SINKS.names())


@pytest.mark.parametrize("settings", [WITHOUT, WITH])
def test_names_keep_their_order_without_duplicates(settings: Settings) -> None:
    assert chosen_sinks(iter(["postgres", "parquet", "postgres"]), settings) == ["postgres", "parquet"]
