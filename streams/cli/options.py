"""Kinds of values that several commands take."""

from __future__ import annotations

import re
from datetime import timedelta
from math import inf

import click


class Speed(click.ParamType):
    """How many times faster than life, as a number above 0; `max` is infinity: as fast as it goes."""

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


class Age(click.ParamType):
    """How long ago, as a number with `m`, `h` or `d`: `30m`, `1h`, `2d`."""

    name = "AGE"
    _UNITS = {"m": "minutes", "h": "hours", "d": "days"}  # noqa: RUF012

    def convert(self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"(\d{1,6})([mhd])", value)
        if match is None:
            self.fail(f"{value!r} is not a number with m, h or d, as in 30m, 1h, 2d", param, ctx)
        return timedelta(**{self._UNITS[match[2]]: int(match[1])})
