"""The output of `tagpulse up`: a screen, a line, or a JSON object."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streams.contracts import SENTIMENTS, utc_now
from streams.demo.chart import stacked
from streams.demo.view import COLOURS
from streams.text.terminal import plain
from streams.up.mood import MINUTES
from streams.up.process import ManagedProcess
from streams.up.stage import Up

_ACCENT, _DIM, _BORDER = "#58a6ff", "#8b949e", "#3d444d"
_SIGNS = {
    "waiting": ("○", _DIM),
    "starting": ("◐", "#e3b341"),
    "running": ("●", "#3fb68b"),
    "again": ("↻", "#ff6b5e"),
    "done": ("✔", "#3fb68b"),
}
_HASHTAGS = 8
_BAR = 30


def screen(up: Up) -> RenderableType:
    """Return a screen with the processes, the mood of the last minutes, and the addresses."""
    return Group(
        _panel(f"tagpulse up: {up.wanted.source}", _processes(up)),
        _panel(f"mood of the last {MINUTES} minutes", _mood(up)),
        _panel("addresses (Ctrl-C stops everything)", _urls(up)),
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
        "mood": up.mood.hashtags(),
    }


def line(up: Up) -> str:
    """Return the state in one line."""
    parts = ", ".join(f"{part.name} {part.state}{_figures(part)}" for part in up.parts)
    moods = up.mood.hashtags()
    negative = sum(mood["negative"] for mood in moods.values())
    posts = sum(sum(mood.values()) for mood in moods.values())
    return f"{parts}; {posts} posts in {MINUTES} minutes" + (f", {negative / posts:.0%} negative" if posts else "")


def _figures(part: ManagedProcess) -> str:
    rate = f" {part.rate:.0f}/s" if part.rate else ""
    return rate + (f" lag {part.lag}" if part.lag else "")


def _panel(title: str, content: RenderableType) -> Panel:
    return Panel(content, title=Text(title, style="bold"), title_align="left", border_style=_BORDER, padding=(0, 1))


def _processes(up: Up) -> RenderableType:
    table = Table.grid(padding=(0, 2), expand=True)
    for _ in range(2):
        table.add_column(no_wrap=True)
    for _ in range(4):
        table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    heads = ("process", "state", "port", "per second", "lag", "restarts", "last log line")
    table.add_row(*(Text(head, style=_DIM) for head in heads))
    table.add_row("broker", Text("● running", style=_SIGNS["running"][1]), str(up.broker.port), "", "", "", "")
    for part in up.parts:
        sign, colour = _SIGNS[part.state]
        table.add_row(
            part.name,
            Text(f"{sign} {part.state}", style=colour),
            str(part.port),
            f"{part.rate:,.1f}" if part.rate else "",
            "" if part.lag is None else f"{part.lag:,}",
            str(part.restarts or ""),
            Text(plain(part.last_line()), style=_DIM),
        )
    return table


def _mood(up: Up) -> RenderableType:
    moods = up.mood.hashtags()
    if not moods:
        return Text("no posts yet", style=_DIM)
    table = Table.grid(padding=(0, 2))
    for hashtag, mood in list(moods.items())[:_HASHTAGS]:
        posts = sum(mood.values())
        shares = [(mood[label] / posts if posts else 0.0, COLOURS[label]) for label in SENTIMENTS]
        table.add_row(
            Text(plain(f"#{hashtag}")),
            Text(f"{posts:,}", style=_DIM, justify="right"),
            stacked(shares, _BAR),
            Text(f"{shares[0][0]:.0%} negative", style=COLOURS["negative"]),
        )
    return table


def _urls(up: Up) -> RenderableType:
    shown = ("kafka", "lake", "postgres", "prometheus", "alertmanager")
    urls = {name: url for name, url in up.urls().items() if name in shown}
    table = Table.grid(padding=(0, 2))
    for name, url in urls.items():
        table.add_row(Text(name, style=_DIM), Text(url, style=_ACCENT))
    return table
