"""Minutes and spikes: keys, sums, and times that leave room for arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from streams.contracts import (
    END_OF_INPUT,
    FIRST_MINUTE,
    LAST_MINUTE,
    PulseMinute,
    SentimentCounts,
    Spike,
    decode_minute,
    encode,
)

NOON = datetime(2024, 6, 3, 12, tzinfo=UTC)


def _minute(**fields: Any) -> PulseMinute:
    given: dict[str, Any] = {"minute": NOON, "hashtag": "größe", "partition": 0, "watermark": NOON}
    return PulseMinute(**given | fields)


def _spike(**fields: Any) -> Spike:
    times = dict.fromkeys(("opened_at", "known_at", "at"), NOON)
    names = {"id": "1", "kind": "negative", "hashtag": "größe", "state": "open", "sensitivity": "middle"}
    return Spike(**names | times | fields)


def test_everything_about_a_hashtag_has_the_same_key() -> None:
    assert _minute().key == _spike().key == "größe".encode()


def test_the_posts_of_a_count_are_the_sum_of_all_sentiments() -> None:
    assert SentimentCounts(negative=1, neutral=2, positive=4).posts == 7
    assert SentimentCounts().posts == 0


@pytest.mark.parametrize("time", [FIRST_MINUTE, LAST_MINUTE])
def test_the_first_and_the_last_minute_can_be_counted(time: datetime) -> None:
    assert decode_minute(encode(_minute(minute=time, watermark=time))).minute == time
    assert _spike(closed_at=time).closed_at == time


@pytest.mark.parametrize("time", [FIRST_MINUTE - timedelta(minutes=1), LAST_MINUTE + timedelta(minutes=1)])
def test_times_without_room_for_arithmetic_are_refused(time: datetime) -> None:
    with pytest.raises(ValueError, match="minute is out of range"):
        _minute(minute=time)
    with pytest.raises(ValueError, match="closed_at is out of range"):
        _spike(closed_at=time)


def test_only_a_watermark_may_be_the_end_of_the_input() -> None:
    assert _minute(watermark=END_OF_INPUT).watermark == END_OF_INPUT
    with pytest.raises(ValueError, match="minute is out of range"):
        _minute(minute=END_OF_INPUT)
