"""How the numbers of a comparison are written, on the terminal and on the page alike."""

from __future__ import annotations

from datetime import datetime

from streams.compare.comparison import Agreement, Cause, Change, Comparison, Model, PostLabels
from streams.compare.kappa import Interval

NONE = "–"
MAX_CAUSES = 4

_KINDS = {
    "edited": "edited posts",
    "moved_out": "moved to another group",
    "moved_in": "came from another group",
    "only_a": "only in A",
    "only_b": "only in B",
}


def percent(share: float | None) -> str:
    """A share of 1: `12.3 %`."""
    return NONE if share is None else f"{share:.1%}".replace("%", " %")


def points(difference: float | None) -> str:
    """A difference of shares in percentage points, with its sign."""
    return NONE if difference is None else f"{difference * 100:+.1f} pp"


def number(value: float | None) -> str:
    """A kappa or a distance."""
    return NONE if value is None else f"{value:.3f}"


def percents(interval: Interval | None) -> str:
    """The interval of a share."""
    return NONE if interval is None else f"{interval[0]:.1%} to {interval[1]:.1%}".replace("%", " %")


def numbers(interval: Interval | None) -> str:
    """The interval of a kappa."""
    return NONE if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def size(agreement: Agreement) -> str:
    """How many posts a measure stands on, and that they are few."""
    return f"n = {agreement.posts:,}{', few' if agreement.few else ''}"


def cause(part: Cause) -> str:
    """A cause of a difference: `+1.2 pp neutral → negative (12 posts)`."""
    what = _KINDS.get(part.kind, part.kind.replace("_to_", " → "))
    return f"{points(part.effect)} {what} ({part.posts:,})"


def causes(change: Change) -> str:
    """The greatest causes of a difference, and what the others add together."""
    shown = [cause(part) for part in change.causes[:MAX_CAUSES] if part.effect]
    rest = sum(part.effect for part in change.causes[MAX_CAUSES:])
    return "; ".join([*shown, f"{points(rest)} others"] if abs(rest) > 0.0005 else shown) or NONE


def label(name: str) -> str:
    """A label of a matrix; the campaign's no topic has none."""
    return name or "none"


def group(change: Change, kind: str) -> str:
    """What a group of a day is called, and that it has few posts; kinds: all, hashtags, languages."""
    name = change.group or ("no hashtag" if kind == "hashtags" else "all posts")
    sign = "#" if kind == "hashtags" and change.group else ""
    return f"{sign}{name}{' (few)' if change.few else ''}"


def model(found: Model) -> str:
    """A model with its version, runtime, precision and posts."""
    how = " ".join(part for part in (found.runtime, found.precision) if part)
    return f"{found.name} {found.version}{f' ({how})' if how else ''}: {found.posts:,} posts"


def reading(made: PostLabels) -> str:
    """A label and the three probabilities behind it."""
    return f"{made.sentiment} ({made.negative:.2f} / {made.neutral:.2f} / {made.positive:.2f}) {made.language}"


def moment(time: datetime) -> str:
    """A time in UTC, to the minute."""
    return f"{time:%Y-%m-%d %H:%M}"


def selection(comparison: Comparison) -> str:
    """Which posts were chosen."""
    chosen = comparison.selection
    parts = [
        f"since {chosen.since:%Y-%m-%d %H:%M:%S} UTC" if chosen.since else "",
        f"until {chosen.until:%Y-%m-%d %H:%M:%S} UTC" if chosen.until else "",
        f"with #{chosen.hashtag}" if chosen.hashtag else "",
    ]
    return ", ".join(part for part in parts if part) or "all posts"


def overlap(comparison: Comparison) -> str:
    """How the posts of the runs lie on each other."""
    over = comparison.overlap
    return (
        f"{over.both:,} posts in both runs ({over.same_text:,} with the same text, {over.edited:,} edited), "
        f"{over.only_a:,} only in A, {over.only_b:,} only in B"
    )
