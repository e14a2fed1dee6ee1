"""Bar charts drawn with block characters, and the colours of the screens."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from rich.text import Text

from streams.contracts import SENTIMENTS, SentimentLabel
from streams.up.mood import SentimentTally

COLOURS: dict[SentimentLabel, str] = {"negative": "#ff6b5e", "neutral": "#59616d", "positive": "#3fb68b"}
ACCENT, DIM, BORDER = "#58a6ff", "#8b949e", "#3d444d"
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_BAR = "▇"  # not the full block, so that bars on adjacent lines stay apart


def stacked(shares: Sequence[tuple[float, str]], width: int) -> Text:
    """Draw a horizontal bar of coloured parts, `width` characters for a share of 1.

    Args:
        shares: The shares (0 to 1) and their colours. Rounding errors do not accumulate.
        width: Number of characters.
    """
    text = Text()
    ends = [round(end * width) for end in accumulate(share for share, _ in shares)]
    for (start, end), (_, colour) in zip(zip([0, *ends], ends, strict=False), shares, strict=True):
        text.append(_BAR * (end - start), style=colour)
    return text


def sentiments(mood: SentimentTally, width: int) -> Text:
    """Draw the shares of the sentiments as a horizontal bar of `width` characters."""
    return stacked([(mood.share(label), COLOURS[label]) for label in SENTIMENTS], width)


def columns(
    values: Sequence[float | None], styles: Sequence[str], *, top: float, rows: int, each: int = 1
) -> list[Text]:
    """Draw a column chart and return its lines, the top one first.

    Args:
        values: The height of each column; None leaves a gap, and 0 is drawn as the lowest possible column.
        styles: The style of each column.
        top: The value at the upper edge of the chart.
        rows: Number of lines.
        each: Width of a column in characters.
    """
    lines = []
    for row in range(rows - 1, -1, -1):
        line = Text()
        for value, style in zip(values, styles, strict=True):
            eighths = 0 if value is None else max(1, round(value / top * rows * 8))
            line.append(_EIGHTHS[max(0, min(8, eighths - row * 8))] * each, style=style)
        lines.append(line)
    return lines
