"""Kinds of values that several commands take."""

from __future__ import annotations

from datetime import datetime
from math import inf

import click

from streams.sources.times import parse_time


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


class Moment(click.ParamType):
    """A point in time; without a zone it is UTC."""

    name = "TIME"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return parse_time(value)
        except ValueError as error:
            self.fail(f"{error}; write it as 2026-06-20 or 2026-06-20T09:30:00Z", param, ctx)
