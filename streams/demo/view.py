"""The live view of the demo, for terminals of 100 x 30 characters or more."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from rich.align import Align
from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.table import Table
from rich.text import Text

from streams.contracts import SENTIMENTS, EnrichedPost, SentimentLabel
from streams.demo.state import Play
from streams.demo.tally import SLOT, Tally
from streams.text.terminal import plain
from streams.up.chart import ACCENT, BORDER, COLOURS, DIM, columns, sentiments, stacked
from streams.up.mood import SentimentTally
from streams.up.part import Part
from streams.up.view import panel, sign

_POLES: tuple[SentimentLabel, SentimentLabel] = ("negative", "positive")
_HEADER_ROWS = 3
_CHART_ROWS = 4
_PIPELINE_ROWS = 4
_AXIS = 5
_SIDE = 15
_MIN_EXAMPLE_PROBABILITY = 0.5
"""Posts below this probability count as negative but are not shown as examples."""


def render(play: Play, width: int, height: int) -> Layout:
    """Return the screen for the current state of the demo."""
    tally = play.tally
    upper = max(7, min(11, (height - 14) // 2))
    timeline = _CHART_ROWS + 3
    lower = max(1, height - _HEADER_ROWS - upper - timeline - _PIPELINE_ROWS - 2)
    layout = Layout()
    layout.split_column(
        Layout(_header(play, width), size=_HEADER_ROWS),
        Layout(name="upper", size=upper),
        Layout(_timeline(play, width), size=timeline),
        Layout(name="lower"),
        Layout(_pipeline(play), size=_PIPELINE_ROWS),
    )
    counts = _ranked([(f"#{name}", mood) for name, mood in tally.hashtags.items()])
    layout["upper"].split_row(
        Layout(panel("mood by hashtag", _moods(counts, upper - 2, max(8, width * 46 // 100 - 36))), ratio=46),
        Layout(panel("languages", _bars(tally.languages.most_common(upper - 2), 8)), ratio=23),
        Layout(panel("topics", _bars(tally.topics.most_common(upper - 2), 6)), ratio=31),
    )
    campaign = _ranked([(name, mood) for name, mood in tally.campaign.items()])
    layout["lower"].split_row(
        Layout(panel("mood by campaign topic", _moods(campaign, lower, max(6, width * 42 // 100 - 42))), ratio=42),
        Layout(panel("latest negative posts", _negatives(tally.negatives, lower)), ratio=58),
    )
    return layout


def _header(play: Play, width: int) -> RenderableType:
    tally = play.tally
    clock = f"{tally.newest:%H:%M}" if tally.newest else "--:--"
    speed = play.stage.wanted.speed
    pace = "as fast as possible" if speed == math.inf else f"{speed:g}x real time"
    line = Table.grid(expand=True)
    line.add_column()
    line.add_column(justify="right")
    line.add_row(
        _one_line(Text.assemble(("tagpulse ", f"bold {ACCENT}"), ("#poltwt", "bold"), (f" a sample day, {pace}", DIM))),
        Text.assemble(
            (f"{tally.enriched:,}", "bold"), (" posts  ", DIM), (f"{play.rate:,.0f}", "bold"), (" posts/s", DIM)
        ),
    )
    bar = max(10, width - 26)
    filled = round(bar * play.progress)
    progress = Text.assemble(
        (f" {clock} ", f"bold reverse {ACCENT}"),
        (" UTC ", DIM),
        ("━" * filled, ACCENT),
        ("─" * (bar - filled), BORDER),
        (f" {play.progress:4.0%}", "bold"),
        (f"  {int(play.seconds) // 60}:{int(play.seconds) % 60:02}", DIM),
    )
    legend = Text("  ").join(Text.assemble(("█ ", COLOURS[label]), (label, DIM)) for label in SENTIMENTS)
    return Group(line, progress, Align.right(legend))


def _ranked(moods: Iterable[tuple[str, SentimentTally]]) -> list[tuple[str, SentimentTally]]:
    return sorted(moods, key=lambda item: (-item[1].total, item[0]))


def _moods(moods: Sequence[tuple[str, SentimentTally]], rows: int, bar: int) -> RenderableType:
    if not moods:
        return Text("nothing yet", style=DIM)
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, width=bar)
    for _ in range(2):
        table.add_column(justify="right", no_wrap=True, width=4)
    for name, mood in moods[:rows]:
        table.add_row(
            Text(plain(name)),
            Text(f"{mood.total:,}", style=DIM),
            sentiments(mood, bar),
            *(Text(f"{mood.share(label):.0%}", style=COLOURS[label]) for label in _POLES),
        )
    return table


def _bars(counts: Sequence[tuple[str, int]], bar: int) -> RenderableType:
    if not counts:
        return Text("nothing yet", style=DIM)
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column(no_wrap=True, width=bar)
    table.add_column(justify="right", no_wrap=True)
    most = counts[0][1]
    for name, count in counts:
        table.add_row(
            Text(plain(name).replace("_", " ")),
            stacked([(count / most, ACCENT)], bar),
            Text(f"{count:,}", style=DIM),
        )
    return table


def _timeline(play: Play, width: int) -> RenderableType:
    """Return the chart of the share of negative posts over the day, with one column per slot."""
    tally = play.tally
    day = tally.mood.share("negative")
    room = width - _AXIS - _SIDE - 6
    merged = 1 if room >= len(tally.slots) else 2
    slots = [sum(tally.slots[at : at + merged], SentimentTally()) for at in range(0, len(tally.slots), merged)]
    each = max(1, room // len(slots))
    values = [slot.share("negative") if slot.total else None for slot in slots]
    highest = max([0.5, *(value for value in values if value is not None)])
    top = math.ceil(highest * 10) / 10
    styles = [COLOURS["negative"] if (value or 0) >= 2 * day > 0 else "#b08a5b" for value in values]
    now = next((slot.share("negative") for slot in reversed(slots) if slot.total), 0.0)
    side = {
        0: Text.assemble(("now ", DIM), (f"{now:4.0%}", f"bold {COLOURS['negative']}")),
        1: Text.assemble(("day ", DIM), (f"{day:4.0%}", "bold")),
    }
    turn = tally.turn()
    if turn:
        side[2] = Text("the mood turned", style=f"bold {COLOURS['negative']}")
        side[3] = Text(f"{turn.begin:%H:%M} to {turn.end:%H:%M}", style=COLOURS["negative"])
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(justify="right", width=_AXIS - 1)
    table.add_column(no_wrap=True, ratio=1)
    table.add_column(no_wrap=True, width=_SIDE)
    for row, line in enumerate(columns(values, styles, top=top, rows=_CHART_ROWS, each=each)):
        label = f"{top:.0%}" if row == 0 else "0%" if row == _CHART_ROWS - 1 else ""
        table.add_row(Text(label, style=DIM), line, side.get(row, Text()))
    hour = round(6 / merged) * each
    hours = range(len(slots) * each // hour)
    axis = "".join(f"{tally.begin.hour + number:02}".ljust(hour) for number in hours)
    table.add_row(Text(), Text(axis, style=DIM), Text())
    minutes = merged * int(SLOT.total_seconds()) // 60
    return panel(f"negative share, every {minutes} minutes of the day", table)


def _negatives(posts: Iterable[EnrichedPost], rows: int) -> RenderableType:
    examples = [message for message in posts if message.sentiment.negative >= _MIN_EXAMPLE_PROBABILITY]
    newest = sorted(examples, key=lambda message: message.post.created_at, reverse=True)[:rows]
    if not newest:
        return Text("none yet", style=DIM)
    table = Table.grid(padding=(0, 1), expand=True)
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for message in newest:
        table.add_row(
            Text(f"{message.post.created_at:%H:%M}", style=DIM),
            Text(plain(message.language.code), style=ACCENT),
            Text(f"{message.sentiment.negative:.0%}", style=COLOURS["negative"]),
            Text(plain(message.post.text)),
        )
    return table


def _pipeline(play: Play) -> RenderableType:
    tally, up = play.tally, play.stage
    line = sign(up.broker).append("broker ").append(up.wanted.kind, style=DIM)
    for part, count in zip(up.parts, (tally.produced, tally.enriched, play.stored), strict=True):
        line.append("   " if part is up.parts[0] else "  →  ", style=DIM).append_text(_part(part, count))
    return panel("pipeline", Group(_one_line(line), _one_line(_dead_letters(tally))))


def _one_line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _part(part: Part, count: int) -> Text:
    text = sign(part).append(f"{part.name.partition('-')[0]} ")
    if part.state == "starting" and not count:
        return text.append(plain(part.detail) or "loading", style=DIM)
    return text.append(f"{count:,}", style="bold")


def _dead_letters(tally: Tally) -> Text:
    if not tally.letters:
        return Text("✉ records that cannot be read go to the dead letters; the rest is not affected", style=DIM)
    last = tally.letters[-1]
    reasons = ", ".join(f"{count} {plain(reason)}" for reason, count in tally.reasons.items())
    return Text.assemble(
        (f"✉ {tally.dead} dead letters ", "bold #e3b341"),
        (f"({reasons})  ", "#e3b341"),
        (f"last {plain(last.origin)}: ", DIM),
        plain(last.error),
    )
