"""Parameter types and options shared by several commands."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from math import inf

import click

from streams.contracts import normalise_hashtags, utc_now
from streams.sources.times import parse_time

_AGO = re.compile(r"(\d{1,9})\s*([smhd])(?:\s+ago)?")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Speed(click.ParamType):
    """A speed relative to real time, a number above 0; `max` becomes infinity and means no pacing."""

    name = "FACTOR|max"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if value in ("max", inf):
            return inf
        try:
            factor = float(value)
        except ValueError:
            factor = 0.0
        if not 0 < factor < inf:
            self.fail(f"{value!r} is neither max nor a number above 0", param, ctx)
        return factor


class TimeType(click.ParamType):
    """A point in time; UTC if no time zone is given."""

    name = "TIME"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return parse_time(value)
        except (ValueError, OverflowError) as error:
            self.fail(f"{error}; write it as 2026-06-20 or 2026-06-20T09:30:00Z", param, ctx)


class When(TimeType):
    """A point in time, given directly or as an age (`90s`, `30m`, `2h`, `7d`)."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            if ago := _AGO.fullmatch(value.strip()):
                return self._clock() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            return parse_time(value)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is neither a time such as 2026-06-20T09:00:00Z nor an age such as 2h or 7d", param, ctx
            )


def check_span(since: datetime | None, until: datetime | None) -> None:
    """Raise click.BadParameter if `until` is not after `since`."""
    if since is not None and until is not None and since >= until:
        raise click.BadParameter(
            f"{until.isoformat()} is not after --since ({since.isoformat()}), so nothing can be selected",
            param_hint="--until",
        )


run_option = click.option(
    "--run", metavar="NAME", help="Name of the run: live, or the name of a replay; default: TAGPULSE_RUN."
)


class Age(click.ParamType):
    """An age: a number with the unit `m`, `h` or `d`, such as `30m`, `1h` or `2d`."""

    name = "AGE"
    _UNITS = {"m": "minutes", "h": "hours", "d": "days"}  # noqa: RUF012

    def convert(self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"(\d{1,5})([mhd])", value)
        if match is None:
            self.fail(
                f"{value!r} is not a number of up to five digits followed by m, h or d, such as 30m, 1h or 2d",
                param,
                ctx,
            )
        return timedelta(**{self._UNITS[match[2]]: int(match[1])})


sinks_option = click.option(
    "--sink", "sinks", metavar="NAME", multiple=True, help="Only this sink; repeatable; default: all configured sinks."
)


def one_hashtag(hashtag: str | None) -> str | None:
    """Return the value of --hashtag in its normal form.

    Raises:
        click.BadParameter: It is not a hashtag.
    """
    if hashtag is None:
        return None
    found = normalise_hashtags([hashtag])
    if not found:
        raise click.BadParameter(f"{hashtag!r} is not a hashtag", param_hint="--hashtag")
    return found[0]
