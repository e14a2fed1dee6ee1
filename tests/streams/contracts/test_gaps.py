"""Gaps in a feed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from streams.contracts import Gap, decode_gap, encode
from streams.errors import BadMessage

NOON = datetime(2024, 6, 3, 12, tzinfo=UTC)


def test_the_gaps_of_a_source_stay_in_order() -> None:
    first, second = (Gap(source="mastodon", origin=origin, reason="cut", found_at=NOON) for origin in ("a", "b"))
    assert first.key == second.key == b"mastodon"


def test_a_gap_needs_a_source_that_can_be_a_key() -> None:
    value = encode(Gap(source="mastodon", origin="a", reason="cut", found_at=NOON))
    with pytest.raises(BadMessage, match="source"):
        decode_gap(value.replace(b"mastodon", b"a:b"))
