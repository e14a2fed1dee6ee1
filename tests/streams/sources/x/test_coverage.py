"""What X is asked to resend, and what counts as missed."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from streams.sources.wire import TooLong
from streams.sources.x.coverage import StreamCoverage
from tests.helpers.x import line, tweet_id_of

NOW = datetime(2026, 8, 1, 13, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def coverage(away: float | None, minutes: int = 5) -> StreamCoverage:
    return StreamCoverage("posts", minutes, None if away is None else NOW - away * SECOND)


@pytest.mark.parametrize(
    ("away", "asked"), [(None, None), (0, "1"), (29, "1"), (31, "2"), (200, "4"), (9_999, "5"), (-(10**8), "5")]
)
def test_the_missed_time_and_the_time_to_connect_are_requested(away: float | None, asked: str | None) -> None:
    assert coverage(away).backfill(NOW) == ({} if asked is None else {"backfill_minutes": asked})
    assert coverage(away, 0).backfill(NOW) == {}


@pytest.mark.parametrize(
    ("away", "minutes", "why"),
    [
        (None, 5, None),
        (None, 0, None),
        (300, 5, None),
        (301, 5, "posts were not received for 0:05:01; X resends only the last 0:05:00"),
        (1, 0, "BACKFILL_MINUTES"),
        (-1, 5, "until 2026-08-01 13:00:01, which is in the future: the clock was set back"),
        (-(10**8), 0, "set back"),
    ],
)
def test_missed_posts_are_reported_once(away: float | None, minutes: int, why: str | None) -> None:
    stream = coverage(away, minutes)
    stream.backfill(NOW)
    stream.opened(NOW)
    missed = stream.heard(b"", NOW)
    if why is None:
        assert missed is None
    else:
        assert missed is not None
        assert away is not None
        assert why in missed.why
        assert missed.gap("api.x.com", NOW).since == (None if away < 0 else NOW - away * SECOND)
    assert stream.heard(b"", NOW) is None
    assert stream.whole_until == NOW


@pytest.mark.parametrize(
    ("frame", "seconds", "is_done"),
    [
        (line(1), 0, False),
        (line(1, id=tweet_id_of(NOW - SECOND)), 0, False),
        (line(1, id=tweet_id_of(NOW + SECOND)), 2, True),
        (b"junk", 0, False),
        (TooLong(line(1, id=tweet_id_of(NOW + SECOND)), 10**7), 0, False),
        (b"", 0, True),
        (line(1), 60, True),  # no longer, because our clock may be wrong
    ],
)
def test_the_earlier_time_is_kept_until_everything_was_resent(
    frame: bytes | TooLong, seconds: int, is_done: bool
) -> None:
    stream = coverage(100)
    stream.backfill(NOW)
    stream.opened(NOW)
    assert stream.heard(frame, NOW + seconds * SECOND) is None
    assert stream.whole_until == (NOW + seconds * SECOND if is_done else NOW - 100 * SECOND)


def test_after_a_gap_the_rest_is_requested_until_it_arrives() -> None:
    stream = coverage(1_000)
    stream.backfill(NOW)
    stream.opened(NOW)
    assert stream.heard(line(1), NOW) is not None
    assert stream.whole_until == NOW - timedelta(minutes=5)
    assert stream.backfill(NOW) == {"backfill_minutes": "5"}


def test_posts_read_late_count_from_when_they_were_made() -> None:
    stream = coverage(None)
    stream.opened(NOW)
    stream.heard(line(1, id=tweet_id_of(NOW)), NOW)
    for minutes, made, until in ((1, 0.5, 1), (2, 0.5, 0.5), (3, None, 1.5), (4, 1, 1), (4, 3.5, 4), (5, -(10**6), 5)):
        now = NOW + timedelta(minutes=minutes)
        frame = b"" if made is None else line(1, id=tweet_id_of(NOW + timedelta(minutes=made)))
        assert stream.heard(frame, now) is None
        assert stream.whole_until == NOW + timedelta(minutes=until)


def test_after_a_stall_the_earlier_time_is_kept_until_something_new_arrives() -> None:
    """The lines were waiting in buffers, and the stream may have ended in the meantime."""
    stream = coverage(None, 0)
    stream.opened(NOW)
    stream.heard(b"", NOW)
    for seconds, frame, until in (
        (300, b"", 0),
        (300, b"", 0),
        (310, b"", 0),
        (311, line(1, id=tweet_id_of(NOW + 310 * SECOND)), 311),
        (600, b"", 311),
        (655, b"", 311),
        (661, b"", 661),
    ):
        stream.heard(frame, NOW + seconds * SECOND)
        assert stream.whole_until == NOW + until * SECOND


def test_a_connection_without_a_line_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    stream = coverage(10, 0)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            stream.backfill(NOW)
            stream.opened(NOW)
    assert stream.whole_until == NOW - 10 * SECOND
    assert not caplog.records
