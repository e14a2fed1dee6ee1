"""Formats the numbers and names of a comparison, for the terminal and the page."""

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
    """Format a share in percent, e.g. `12.3 %`."""
    return NONE if share is None else f"{share:.1%}".replace("%", " %")


def points(difference: float | None) -> str:
    """Format a difference between shares in percentage points, with its sign."""
    return NONE if difference is None else f"{difference * 100:+.1f} pp"


def number(value: float | None) -> str:
    """Format a kappa or a distance."""
    return NONE if value is None else f"{value:.3f}"


def percents(interval: Interval | None) -> str:
    """Format the interval of a share."""
    return NONE if interval is None else f"{interval[0]:.1%} to {interval[1]:.1%}".replace("%", " %")


def numbers(interval: Interval | None) -> str:
    """Format the interval of a kappa."""
    return NONE if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def size(agreement: Agreement) -> str:
    """Format the number of posts behind a measure, marked if they are few."""
    return f"n = {agreement.posts:,}{', few' if agreement.few else ''}"


def cause(part: Cause) -> str:
    """Format a cause of a difference with its number of posts, e.g. `+1.2 pp neutral → negative (12)`."""
    kind = _KINDS.get(part.kind, part.kind.replace("_to_", " → "))
    return f"{points(part.effect)} {kind} ({part.posts:,})"


def causes(change: Change) -> str:
    """Format the largest causes of a difference, and the combined effect of the others."""
    shown = [cause(part) for part in change.causes[:MAX_CAUSES] if part.effect]
    rest = sum(part.effect for part in change.causes[MAX_CAUSES:])
    return "; ".join([*shown, f"{points(rest)} others"] if abs(rest) > 0.0005 else shown) or NONE


def label(name: str) -> str:
    """Format a label of a matrix; posts without a campaign topic have an empty one."""
    return name or "none"


def group(change: Change, kind: str) -> str:
    """Format the name of a group, marked if it has few posts; `kind` is `all`, `hashtags` or `languages`."""
    name = change.group or ("no hashtag" if kind == "hashtags" else "all posts")
    sign = "#" if kind == "hashtags" and change.group else ""
    return f"{sign}{name}{' (few)' if change.few else ''}"


def model(found: Model) -> str:
    """Format a model with its version, runtime, precision and number of posts."""
    backend = " ".join(part for part in (found.runtime, found.precision) if part)
    return f"{found.name} {found.version}{f' ({backend})' if backend else ''}: {found.posts:,} posts"


def reading(made: PostLabels) -> str:
    """Format the labels of a post: its sentiment with the three probabilities, and its language."""
    return f"{made.sentiment} ({made.negative:.2f} / {made.neutral:.2f} / {made.positive:.2f}) {made.language}"


def moment(time: datetime) -> str:
    """Format a time in UTC, to the minute."""
    return f"{time:%Y-%m-%d %H:%M}"


def selection(comparison: Comparison) -> str:
    """Format the selection of posts."""
    chosen = comparison.selection
    parts = [
        f"since {chosen.since:%Y-%m-%d %H:%M:%S} UTC" if chosen.since else "",
        f"until {chosen.until:%Y-%m-%d %H:%M:%S} UTC" if chosen.until else "",
        f"with #{chosen.hashtag}" if chosen.hashtag else "",
    ]
    return ", ".join(part for part in parts if part) or "all posts"


def overlap(comparison: Comparison) -> str:
    """Format the number of posts in both runs and in only one of them."""
    over = comparison.overlap
    return (
        f"{over.both:,} posts in both runs ({over.same_text:,} with the same text, {over.edited:,} edited), "
        f"{over.only_a:,} only in A, {over.only_b:,} only in B"
    )
