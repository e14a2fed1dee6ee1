"""The text output of the demo: progress lines for use without a terminal, and the final report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from streams.contracts import SENTIMENTS
from streams.demo.state import Play
from streams.text.terminal import plain
from streams.up.chart import COLOURS, sentiments

if TYPE_CHECKING:
    from streams.demo.summary import DaySummary

_BAR = 40
_TEXT = 70
_DIM = "dim"


def progress_line(play: Play) -> Text:
    """Return the current progress in one line."""
    tally = play.tally
    if not tally.enriched:
        states = ", ".join(f"{part.name} {part.detail or part.state}" for part in play.stage.parts)
        return Text(f"{play.seconds:5.1f} s  {states}")
    mood = ", ".join(f"{label} {tally.mood.share(label):.0%}" for label in SENTIMENTS)
    return Text(
        f"{play.seconds:5.1f} s  day {tally.newest:%H:%M} ({play.progress:.0%})  {tally.produced} produced, "
        f"{tally.enriched} enriched ({play.rate:.0f}/s), {play.stored} stored, {tally.dead} dead letters; {mood}"
    )


def report(summary: DaySummary, keep: Path | None) -> RenderableType:
    """Return the final report: counts, the sentiment by hour, the change of mood, the most shared posts, next steps."""
    return Group(
        _counts(summary),
        Text(),
        _hours(summary),
        Text(),
        _turn(summary),
        *_shared(summary),
        Text(),
        _next_steps(keep),
    )


def _counts(summary: DaySummary) -> Text:
    first = summary.seconds_to_first_enriched
    verdict = ("nothing lost", COLOURS["positive"]) if summary.is_complete else ("INCOMPLETE", COLOURS["negative"])
    reasons = ", ".join(f"{count} {reason}" for reason, count in summary.dead_by_reason.items())
    text = Text.assemble(
        (f"{summary.produced:,} records", "bold"),
        f" of the sample day in {summary.seconds:.0f} s",
        f", the first post enriched after {first:.1f} s: " if first is not None else ": ",
        verdict,
        f"\n{summary.enriched:,} enriched, {summary.deletions} deletions, {summary.dead} dead letters ({reasons or 'none'})",
        f"; the lake contains {summary.stored:,} of {summary.posts:,} distinct posts",
    )
    if summary.missing:
        text.append(
            f"\n{summary.missing} records are neither enriched nor in the dead letters", style=COLOURS["negative"]
        )
    return text.append(f"\nmodel {plain(summary.model)}", style=_DIM)


def _hours(summary: DaySummary) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    legend = Text("  ").join(Text.assemble(("█ ", COLOURS[label]), label) for label in SENTIMENTS)
    table.add_row(Text("hour"), Text("posts", justify="right"), legend, Text("negative", justify="right"))
    for hour, mood in summary.hours.items():
        table.add_row(
            Text(f"{hour:%H:%M}"),
            Text(f"{mood.total:,}", justify="right"),
            sentiments(mood, _BAR),
            Text(f"{mood.share('negative'):.0%}", justify="right", style=COLOURS["negative"]),
        )
    return table


def _turn(summary: DaySummary) -> Text:
    turn = summary.turn
    if turn is None:
        return Text("The mood did not turn.")
    return Text.assemble(
        ("The mood turned ", "bold"),
        (f"from {turn.begin:%H:%M} to {turn.end:%H:%M} UTC", f"bold {COLOURS['negative']}"),
        f": {turn.share:.0%} of the posts were negative, {turn.usual:.0%} in the rest of the day.",
    )


def _shared(summary: DaySummary) -> list[Text]:
    lines = [Text("Most shared", style="bold")] if summary.most_shared else []
    for shared in summary.most_shared:
        text = plain(shared.text)
        short = text if len(text) <= _TEXT else f"{text[: _TEXT - 1]}…"
        line = Text.assemble(
            f"{shared.reposts:5} x  ",
            (f"{shared.language} {shared.sentiment}  ", COLOURS[shared.sentiment]),
            short,
        )
        line.no_wrap, line.overflow = True, "ellipsis"
        lines.append(line)
    return lines


def _next_steps(keep: Path | None) -> Text:
    sql = "select created_at, language, text from posts where sentiment = 'negative' order by negative desc limit 5"
    if keep is None:
        ask = "  tagpulse demo --keep ./demo                  play the same day and keep the lake for your queries\n"
    else:
        ask = f'  TAGPULSE_LAKE__PATH={keep / "lake"} tagpulse query "{sql}"\n'
    steps = (
        f"{ask}"
        "  tagpulse broker                              a hashtag of your own: run each line in its own terminal\n"
        "  tagpulse topics create && tagpulse worker enrich\n"
        "  tagpulse worker store --sink parquet\n"
        "  tagpulse produce bluesky --tag YOURTAG       Bluesky needs no account\n"
    )
    return Text.assemble(("Next steps\n", "bold"), steps.rstrip("\n"))
