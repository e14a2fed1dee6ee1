from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from streams.settings import Settings
from streams.sources.base import Parser, Source
from streams.sources.network import Network


class Silent(Network):
    name = "silent"
    help = "Says nothing."

    def open_source(self, hashtags: Sequence[str], cursor: str | None = None) -> Source:
        raise NotImplementedError

    def open_parser(self, hashtags: Sequence[str]) -> Parser:
        raise NotImplementedError

    def identity(self) -> str:
        return self.settings.run


def test_a_network_has_the_settings_and_their_range_of_plausible_times() -> None:
    network = Silent(Settings(run="again", produce={"max_age_days": 2.0}))
    assert network.identity() == "again"
    seen = datetime(2026, 8, 1, tzinfo=UTC)
    for age, believed in ((timedelta(days=2), True), (timedelta(days=2, seconds=1), False)):
        assert (network.times.believed(seen - age, seen) == seen - age) is believed


def test_a_network_requires_no_settings_by_default() -> None:
    assert Silent(Settings()).access() is None


def test_a_network_must_implement_listening() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Network(Settings())  # type: ignore[abstract]
