from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import metrics
from streams.contracts import Gap
from streams.sources.live import MAX_AGE, PostTime, PostTimes, report_gap, update_lag
from tests.helpers.feeds import counted

SEEN = datetime(2026, 8, 1, 12, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_times = st.datetimes(datetime(2, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize("claimed", [SEEN, SEEN - _SECOND, SEEN - MAX_AGE])
def test_a_plausible_time_is_believed(claimed: datetime) -> None:
    assert PostTimes().written(claimed, SEEN) == PostTime(claimed, False, None)


@pytest.mark.parametrize("claimed", [SEEN + _SECOND, SEEN - MAX_AGE - _SECOND])
def test_an_implausible_time_is_replaced_and_kept(claimed: datetime) -> None:
    assert PostTimes().written(claimed, SEEN) == PostTime(SEEN, True, claimed)


def test_without_a_time_the_arrival_time_counts() -> None:
    assert PostTimes().written(None, SEEN) == PostTime(SEEN, True, None)


def test_the_range_of_plausible_times_can_be_chosen() -> None:
    times = PostTimes(timedelta(hours=1))
    assert times.believed(SEEN - timedelta(hours=1), SEEN) == SEEN - timedelta(hours=1)
    assert times.believed(SEEN - timedelta(hours=2), SEEN) == SEEN


@given(_times | st.none(), _times)
def test_no_time_is_after_its_arrival_or_long_before_it(claimed: datetime | None, seen: datetime) -> None:
    found = PostTimes().written(claimed, seen)
    assert timedelta() <= seen - found.created_at <= MAX_AGE
    assert found.is_estimate is (found.created_at != claimed)
    assert found.author_created_at in (None, claimed)


def test_a_gap_is_counted_logged_and_returned(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    before = counted(metrics.GAPS, "test")
    gap = report_gap("test", "a.example", "x" * 600, since=SEEN, now=SEEN + _SECOND)
    assert gap == Gap(source="test", origin="a.example", reason="x" * 500, found_at=SEEN + _SECOND, since=SEEN)
    assert report_gap("test", "b.example", "why", since=None, now=SEEN).since is None
    assert counted(metrics.GAPS, "test") == before + 2
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith("gap in the feed of a.example since 2026-08-01T12:00:00+00:00: xxx")
    assert second == "gap in the feed of b.example since unknown: why; posts made meanwhile may be missing"


def test_the_lag_is_never_negative() -> None:
    update_lag("test", SEEN - timedelta(seconds=90), SEEN)
    assert counted(metrics.SOURCE_BEHIND, "test") == 90
    update_lag("test", SEEN + _SECOND, SEEN)
    assert counted(metrics.SOURCE_BEHIND, "test") == 0
