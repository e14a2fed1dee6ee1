"""Kinds of values that several commands take."""

from __future__ import annotations

import click


class Speed(click.ParamType):
    """How many times faster than life, as a number above 0; `max` is None: as fast as it goes."""

    name = "FACTOR|max"

    def convert(
        self, value: str | float | None, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | None:
        if value is None or value == "max":
            return None
        try:
            factor = float(value)
        except ValueError:
            factor = 0.0
        if not 0 < factor < float("inf"):
            self.fail(f"{value!r} is neither max nor a number above 0", param, ctx)
        return factor
