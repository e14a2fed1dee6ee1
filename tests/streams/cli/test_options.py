"""Parsing of times, ages and speeds given on the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import inf

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from streams.cli import group
from streams.cli.options import Age, Speed, TimeType, When

NOW = datetime(2026, 6, 20, 12, tzinfo=UTC)
WHEN = When(lambda: NOW)


@given(st.datetimes(timezones=st.timezones()))
def test_rfc_3339_times_are_parsed(time: datetime) -> None:
    try:
        wanted = time.astimezone(UTC)
    except OverflowError:
        return
    assert WHEN.convert(time.isoformat(), None, None) == wanted


@given(st.integers(0, 10_000), st.sampled_from(["s", "m", "h", "d"]), st.sampled_from(["", " ago"]))
def test_an_age_counts_back_from_now(number: int, unit: str, ago: str) -> None:
    seconds = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}[unit]
    assert WHEN.convert(f"{number}{unit}{ago}", None, None) == NOW - timedelta(seconds=number * seconds)


@given(st.text())
def test_any_text_is_parsed_or_rejected(text: str) -> None:
    try:
        time = WHEN.convert(text, None, None)
    except click.BadParameter:
        return
    assert time.tzinfo is not None


@given(st.text())
def test_any_text_is_a_time_or_rejected(text: str) -> None:
    try:
        time = TimeType().convert(text, None, None)
    except click.BadParameter:
        return
    assert time.tzinfo is not None


@pytest.mark.parametrize("text", ["", "soon", "2h", "0001-01-01T00:00:00+14:00", "9" * 18])
def test_other_text_is_rejected_with_an_example(text: str) -> None:
    with pytest.raises(click.BadParameter, match="write it as 2026-06-20 or 2026-06-20T09:30:00Z"):
        TimeType().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "speed"),
    [("60", 60.0), ("0.5", 0.5), ("max", inf), ("inf", None), ("0", None), ("-1", None), ("nan", None), ("fast", None)],
)
def test_a_speed_is_a_number_above_0_or_max(text: str, speed: float | None) -> None:
    if speed is None:
        with pytest.raises(click.BadParameter, match="neither max nor a number above 0"):
            Speed().convert(text, None, None)
    else:
        assert Speed().convert(text, None, None) == speed


@pytest.mark.parametrize("text", ["", "1", "m", "1s", "1w", "-1h", "1.5h", "100000d"])
def test_an_age_is_a_number_with_a_unit(text: str) -> None:
    assert Age().convert("90m", None, None) == timedelta(hours=1.5)
    with pytest.raises(click.BadParameter, match="such as 30m, 1h or 2d"):
        Age().convert(text, None, None)


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "2w", "999999999d", "yesterday"])
def test_invalid_times_are_rejected(text: str) -> None:
    with pytest.raises(click.BadParameter, match="such as 2h or 7d"):
        WHEN.convert(text, None, None)


SPANNED = [
    ("replay", "--from", "raw", "--run", "again"),
    ("compare", "live", "again"),
    ("dead", "list"),
    ("dead", "retry"),
    ("dead", "drop"),
]


@pytest.mark.parametrize("command", SPANNED)
@pytest.mark.parametrize("until", ["2026-06-20T09:00:00Z", "2026-06-20T10:00:00+02:00"])
def test_a_span_that_ends_before_it_begins_is_refused(command: tuple[str, ...], until: str) -> None:
    done = CliRunner().invoke(group, [*command, "--since", "2026-06-20T09:00:00Z", "--until", until])
    assert done.exit_code == 2
    assert "--until" in done.output
    assert "is not after" in done.output
