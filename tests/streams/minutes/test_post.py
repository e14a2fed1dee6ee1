from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import FIRST_MINUTE, LAST_MINUTE, Engagement, LabelScore, Post
from streams.minutes.post import TEXT_CHARACTERS, count_post, event_time, minute_of, time_of
from tests.helpers.minutes import START, enriched

_times = st.datetimes(timezones=st.just(UTC))


def post(created: datetime, collected: datetime | None = None) -> Post:
    return Post(source="test", id="1", text="", created_at=created, collected_at=collected)


@pytest.mark.parametrize(
    ("created", "collected", "record", "expected"),
    [(10, 20, 0, 10), (30, 20, 0, 20), (30, None, 25, 25), (10, None, 25, 10)],
)
def test_a_post_counts_when_it_was_written_but_no_later_than_it_was_collected(
    created: int, collected: int | None, record: int, expected: int
) -> None:
    def at(seconds: int) -> datetime:
        return START + timedelta(seconds=seconds)

    found = event_time(
        post(at(created), None if collected is None else at(collected)), int(at(record).timestamp() * 1000)
    )
    assert found == at(expected).timestamp()


@given(_times, _times | st.none(), st.integers(-(2**60), 2**60))
def test_event_times_leave_room_for_arithmetic(created: datetime, collected: datetime | None, record_ms: int) -> None:
    seconds = event_time(post(created, collected), record_ms)
    assert FIRST_MINUTE.timestamp() <= seconds <= LAST_MINUTE.timestamp()
    begin = time_of(minute_of(seconds))
    assert begin.timestamp() <= seconds < begin.timestamp() + 60


def test_minutes_are_numbered_since_1970() -> None:
    assert (minute_of(0), minute_of(59.999), minute_of(60)) == (0, 0, 1)
    assert time_of(1_441) == datetime(1970, 1, 2, 0, 1, tzinfo=UTC)


def test_the_data_of_a_post() -> None:
    message = enriched(
        7,
        61,
        "negative",
        text="RT @k9: Where is Rex? https://t.co/a",
        hashtags=("poltwt", "k" * 200),
        author="a" * 200,
        url="https://a.example/7",
        engagement=Engagement(reposts=4),
    )
    emotions = tuple(LabelScore(name=name, score=0.9) for name in ("anger", "fear", "anger"))
    found = count_post(msgspec.structs.replace(message, emotions=emotions), 0, 12)
    assert (found.key, found.source, found.id) == (message.key, "test", "7")
    assert (found.minute, found.created) == (minute_of(START.timestamp()) + 1, START.timestamp() + 61)
    assert (found.label, found.probabilities) == ("negative", (0.8, 0.15, 0.05))
    assert (found.language, found.campaign_topic) == ("en", None)
    assert found.labels == {"topics": ("sports",), "emotions": ("anger", "fear"), "acts": ()}
    assert (found.is_repost, found.repost_of, found.is_question, found.reposts) == (True, None, True, 4)
    assert found.text == message.post.text
    assert found.prepared == "Where is Rex? http", "without the prefix, and with a placeholder for the link"
    assert "rex" in found.words
    assert (found.author, found.hashtags) == ("a" * 100, ("poltwt", "k" * 100))
    assert found.url == "https://a.example/7"


def test_copies_have_one_fingerprint() -> None:
    texts = ["Look at Rex https://t.co/a", "RT @k9: look  at REX https://t.co/b"]
    one, two = (count_post(enriched(1, 1, text=text), 0, 0) for text in texts)
    assert one.fingerprint == two.fingerprint
    assert one.fingerprint != count_post(enriched(1, 1, text="Look at him"), 0, 0).fingerprint


def test_a_long_text_is_cut() -> None:
    found = count_post(enriched(1, 1, text="x" * 1_000), 0, 0)
    assert (found.text, found.prepared) == ("x" * TEXT_CHARACTERS,) * 2
    assert found.fingerprint == count_post(enriched(1, 1, text="x" * TEXT_CHARACTERS + "y"), 0, 0).fingerprint


def test_a_repost_of_the_network_has_no_prefix() -> None:
    found = count_post(enriched(1, 1, text="Look", repost_of="9"), 0, 0)
    assert (found.is_repost, found.repost_of) == (True, "9")


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ({"seconds": 5}, {"seconds": 6}),
        ({"seconds": 60}, {"seconds": 5, "edited": 10}),
        ({"seconds": 5, "edited": 10}, {"seconds": 5, "edited": 11}),
    ],
)
def test_an_edit_beats_an_unedited_post_and_then_the_later_one_wins(
    older: dict[str, Any], newer: dict[str, Any]
) -> None:
    assert count_post(enriched(1, **older), 0, 9).order < count_post(enriched(1, **newer), 0, 0).order


def test_of_the_same_version_the_later_record_wins() -> None:
    assert count_post(enriched(1, 5), 0, 1).order < count_post(enriched(1, 5), 0, 2).order
