"""The output of `tagpulse up`: a screen, a line, or a JSON object."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streams.contracts import utc_now
from streams.processes.process import Process, State
from streams.text.terminal import plain
from streams.up.chart import ACCENT, BORDER, COLOURS, DIM, sentiments
from streams.up.mood import MINUTES, SentimentTally
from streams.up.part import Part
from streams.up.stage import Up

_STATES: dict[State, tuple[str, str]] = {
    "waiting": ("○", DIM),
    "starting": ("◐", "#e3b341"),
    "running": ("●", COLOURS["positive"]),
    "again": ("↻", COLOURS["negative"]),
    "done": ("✔", COLOURS["positive"]),
}
_HASHTAGS = 8
_BAR = 30


def screen(up: Up) -> RenderableType:
    """Return a screen with the processes, the mood of the last minutes, and the addresses."""
    return Group(
        panel(f"tagpulse up: {up.wanted.source}", _processes(up)),
        panel(f"mood of the last {MINUTES} minutes", _mood(up)),
        panel("addresses (Ctrl-C stops everything)", _urls(up)),
    )


def status(up: Up) -> dict[str, Any]:
    """Return the state for `json.dumps`."""
    return {
        "at": utc_now().isoformat(),
        "source": up.wanted.source,
        "urls": up.urls(),
        "broker": {"pid": up.broker.pid if up.broker.running else None, "port": up.broker.port},
        "processes": [
            {
                "name": part.name,
                "state": part.state,
                "pid": part.pid,
                "port": part.port,
                "restarts": part.restarts,
                "rate": round(part.rate, 2),
                "lag": part.lag,
                "log": plain(part.last_line()),
            }
            for part in up.parts
        ],
        "mood": {hashtag: asdict(mood) for hashtag, mood in up.mood.hashtags().items()},
    }


def line(up: Up) -> str:
    """Return the state in one line."""
    parts = ", ".join(f"{part.name} {part.state}{_figures(part)}" for part in up.parts)
    mood = sum(up.mood.hashtags().values(), SentimentTally())
    share = f", {mood.share('negative'):.0%} negative" if mood.total else ""
    return f"{parts}; {mood.total} posts in {MINUTES} minutes{share}"


def _figures(part: Part) -> str:
    rate = f" {part.rate:.0f}/s" if part.rate else ""
    return rate + (f" lag {part.lag}" if part.lag else "")


def panel(title: str, content: RenderableType) -> Panel:
    """Return a panel of a screen."""
    return Panel(content, title=Text(title, style="bold"), title_align="left", border_style=BORDER, padding=(0, 1))


def sign(process: Process, words: str = "") -> Text:
    """Return the sign of the state of a process, and words in its colour."""
    character, colour = _STATES[process.state]
    return Text.assemble((f"{character} {words}", colour))


def _processes(up: Up) -> RenderableType:
    table = Table.grid(padding=(0, 2), expand=True)
    for _ in range(2):
        table.add_column(no_wrap=True)
    for _ in range(4):
        table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    heads = ("process", "state", "port", "per second", "lag", "restarts", "last log line")
    table.add_row(*(Text(head, style=DIM) for head in heads))
    table.add_row("broker", sign(up.broker, up.broker.state), str(up.broker.port), "", "", "", "")
    for part in up.parts:
        table.add_row(
            part.name,
            sign(part, part.state),
            str(part.port),
            f"{part.rate:,.1f}" if part.rate else "",
            "" if part.lag is None else f"{part.lag:,}",
            str(part.restarts or ""),
            Text(plain(part.last_line()), style=DIM),
        )
    return table


def _mood(up: Up) -> RenderableType:
    moods = up.mood.hashtags()
    if not moods:
        return Text("no posts yet", style=DIM)
    table = Table.grid(padding=(0, 2))
    for hashtag, mood in list(moods.items())[:_HASHTAGS]:
        table.add_row(
            Text(plain(f"#{hashtag}")),
            Text(f"{mood.total:,}", style=DIM, justify="right"),
            sentiments(mood, _BAR),
            Text(f"{mood.share('negative'):.0%} negative", style=COLOURS["negative"]),
        )
    return table


def _urls(up: Up) -> RenderableType:
    shown = ("kafka", "lake", "postgres", "prometheus", "alertmanager")
    table = Table.grid(padding=(0, 2))
    for name, url in up.urls().items():
        if name in shown:
            table.add_row(Text(name, style=DIM), Text(url, style=ACCENT))
    return table
