from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import Deletion, Post
from streams.sources.times import check_past, parse_time, tweet_time

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)


def test_the_id_of_a_tweet_contains_its_time() -> None:
    assert tweet_time("1541815603606036480") == datetime(2022, 6, 28, 16, 7, 40, 105_000, tzinfo=UTC)
    assert tweet_time("29700859247") == datetime(2010, 11, 4, 1, 42, 54, 657_000, tzinfo=UTC) + timedelta(
        milliseconds=29_700_859_247 >> 22
    )


@pytest.mark.parametrize("tweet_id", ["", "29700859246", "20", "-5", "1e18", "٣" * 12, "1" * 20, "12345678901 "])
def test_older_and_foreign_ids_have_no_time(tweet_id: str) -> None:
    with pytest.raises(ValueError, match="no time in the id"):
        tweet_time(tweet_id)


@given(st.datetimes(datetime(2011, 1, 1), datetime(2070, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_an_id_made_from_a_time_contains_it(at: datetime) -> None:
    milliseconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    found = tweet_time(str((milliseconds - 1_288_834_974_657) << 22))
    assert timedelta() <= at - found < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    "text",
    [
        "2026-08-01T12:00:00Z",
        " 2026-08-01 12:00 ",
        "2026-08-01T14:00:00+02:00",
        "20260801T120000Z",
        "1785585600",
        "1785585600000",
        "Sat Aug 01 12:00:00 +0000 2026",
        "Sat Aug 01 14:00:00 +0200 2026",
        "Sat, 01 Aug 2026 12:00:00 GMT",
        "01 Aug 2026 12:00:00",
    ],
)
def test_a_time_is_parsed_however_it_is_written(text: str) -> None:
    found = parse_time(text)
    assert found == NOON
    assert found.tzinfo is UTC


def test_few_digits_are_a_date() -> None:
    assert parse_time("20260801") == datetime(2026, 8, 1, tzinfo=UTC)
    assert parse_time("100000000") == datetime(1973, 3, 3, 9, 46, 40, tzinfo=UTC)
    assert parse_time("99999999999").year == 5138, "still seconds"
    assert parse_time("100000000000").year == 1973, "milliseconds"


@pytest.mark.parametrize("text", ["", "noon", "2026-13-01", "Sat Foo 01 12:00:00 +0000 2026", "٣" * 10, "12"])
def test_anything_else_is_not_a_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a recognised time|does not match format"):
        parse_time(text)


@given(st.datetimes(datetime(1900, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_formatted_time_is_parsed_back(at: datetime) -> None:
    assert parse_time(at.isoformat()) == at
    whole = at.replace(microsecond=0)
    assert parse_time(format_datetime(whole)) == whole
    assert parse_time(f"{whole:%a %b %d %H:%M:%S +0000 %Y}") == whole


@given(st.text())
def test_any_text_is_a_time_or_a_fault(text: str) -> None:
    try:
        found = parse_time(text)
    except (ValueError, OverflowError):
        return
    assert found.tzinfo is UTC


def test_a_message_in_the_future_is_refused_with_the_name_of_its_field() -> None:
    post = Post(source="x", id="1", text="", created_at=NOON, edited_at=NOON + timedelta(seconds=1))
    check_past(post, NOON - timedelta(seconds=59))
    with pytest.raises(ValueError, match=r"^edited_at is in the future: 2026-08-01T12:00:01\+00:00$"):
        check_past(post, NOON - timedelta(seconds=60))
    with pytest.raises(ValueError, match=r"^deleted_at is in the future"):
        check_past(Deletion(source="x", id="1", deleted_at=NOON), NOON - timedelta(hours=1))
