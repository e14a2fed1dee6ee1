"""Bars and columns out of block characters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from rich.text import Text

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_BAR = "▇"  # not the full block: bars of neighbouring lines would flow together


def stacked(shares: Sequence[tuple[float, str]], width: int) -> Text:
    """One bar of coloured parts; shares of 0 to 1 and their colours. Their rounding errors do not add up."""
    text = Text()
    ends = [round(end * width) for end in accumulate(share for share, _ in shares)]
    for (begin, end), (_, colour) in zip(zip([0, *ends], ends, strict=False), shares, strict=True):
        text.append(_BAR * (end - begin), style=colour)
    return text


def columns(
    values: Sequence[float | None], styles: Sequence[str], *, top: float, rows: int, each: int = 1
) -> list[Text]:
    """A chart of `rows` lines, the upper one first; `each` characters a value. A value of None leaves a gap, and one
    of 0 shows that it is there."""
    lines = []
    for row in range(rows - 1, -1, -1):
        line = Text()
        for value, style in zip(values, styles, strict=True):
            eighths = 0 if value is None else max(1, round(value / top * rows * 8))
            line.append(_EIGHTHS[max(0, min(8, eighths - row * 8))] * each, style=style)
        lines.append(line)
    return lines
