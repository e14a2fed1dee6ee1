"""The charts of the page, as HTML tables and inline SVG; they use percentages to fit any width and need no scripts."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable
from math import ceil

from streams.compare import words
from streams.compare.comparison import Agreement, Change, Matrix, TopicChange

_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
"""Characters that change the direction of text."""
_MAX_OPACITY = 0.6  # of a cell's colour, so that the number on it stays readable in light and dark mode
_SCALE_STEP = 0.05


def safe(text: str) -> str:
    """Escape untrusted text for HTML, including control characters and those that change the direction of text."""
    shown = (
        character.encode("unicode_escape", "replace").decode()
        if character in _BIDI_CONTROLS or (unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t")
        else character
        for character in text
    )
    return html.escape("".join(shown))


def heat_map(matrix: Matrix, title: str) -> str:
    """Return a matrix as a table with A in rows and B in columns; the colour of a cell shows its share of the row."""
    head = "".join(f'<th scope="col"><bdi>{safe(words.label(label))}</bdi></th>' for label in matrix.labels)
    rows = "".join(
        f'<tr><th scope="row"><bdi>{safe(words.label(label))}</bdi></th>{_cells(i, counts)}</tr>'
        for i, (label, counts) in enumerate(zip(matrix.labels, matrix.counts, strict=True))
    )
    return (
        f'<figure><div class="scroll"><table aria-label="{safe(title)}">'
        f'<thead><tr><th><span class="a">A</span> ↓ <span class="b">B</span> →</th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        "<figcaption>Number of posts and their share of the row. Blue: same label in both runs; orange: flipped labels."
        "</figcaption></figure>"
    )


def _cells(row: int, counts: tuple[int, ...]) -> str:
    total = sum(counts)
    shown = []
    for column, count in enumerate(counts):
        share = count / total if total else 0.0
        colour = f"rgb(var(--{'same' if column == row else 'flip'}) / {share * _MAX_OPACITY:.3f})"
        small = f"<small>{words.percent(share)}</small>" if count else ""
        shown.append(f'<td style="background:{colour}">{count:,}{small}</td>')
    return "".join(shown)


def agreement_bars(rows: Iterable[tuple[str, Agreement]]) -> str:
    """Return bars of the agreement from 0 to 100 %, each with its interval, kappa and number of posts."""
    shown = []
    for name, agreement in rows:
        bar = f'<rect class="bar" width="{_percent(agreement.share or 0)}" height="16" y="2"/>'
        if agreement.interval:
            low, high = map(_percent, agreement.interval)
            bar += f'<line class="whisker" x1="{low}" x2="{high}" y1="10" y2="10"/>'
        text = f"{words.percent(agreement.share)} · kappa {words.number(agreement.kappa)}"
        text += f" ({words.numbers(agreement.kappa_interval)})" if agreement.kappa_interval else ""
        shown.append(
            f"<span><bdi>{safe(name)}</bdi></span>"
            f'<svg height="20" role="img" aria-label="{safe(name)}: {text}">{_track()}{bar}</svg>'
            f"<span>{text} · {words.size(agreement)}</span>"
        )
    return (
        f'<figure><div class="bars">{"".join(shown)}</div>'
        "<figcaption>Share of posts with the same label, from 0 to 100 %; the line is the 95 % interval.</figcaption></figure>"
    )


def topic_bars(topics: Iterable[TopicChange]) -> str:
    """Return a bar for each topic, which divides the posts that have it in either run into kept, lost and gained."""
    shown = []
    for each in topics:
        total = each.kept + each.lost + each.gained
        parts, start = "", 0.0
        for kind, count in (("bar", each.kept), ("lost", each.lost), ("gained", each.gained)):
            parts += f'<rect class="{kind}" x="{_percent(start)}" width="{_percent(count / total)}" height="16" y="2"/>'
            start += count / total
        text = f"kept {each.kept:,} · lost {each.lost:,} · gained {each.gained:,}"
        shown.append(
            f"<span><bdi>{safe(each.topic)}</bdi></span>"
            f'<svg height="20" role="img" aria-label="{safe(each.topic)}: {text}">{parts}</svg>'
            f"<span>{text} · kappa {words.number(each.kappa)}</span>"
        )
    return (
        f'<figure><div class="bars">{"".join(shown)}</div>'
        "<figcaption>Blue: both runs assign the topic; dark orange: only A; light orange: only B.</figcaption></figure>"
    )


def dumbbells(changes: tuple[Change, ...], kind: str) -> str:
    """Return the share of negative posts in A and B, one row per day and group, with the causes of the difference."""
    shares = [share for change in changes for share in (change.share_a, change.share_b) if share is not None]
    top = max(_SCALE_STEP, ceil(max(shares, default=0.0) / _SCALE_STEP) * _SCALE_STEP)
    rows = "".join(_dumbbell(change, kind, top) for change in changes)
    return (
        f'<figure><figcaption>From 0 to {top * 100:.0f} %. <span class="a">● A</span> <span class="b">● B</span></figcaption>'
        f"{rows}</figure>"
    )


def _dumbbell(change: Change, kind: str, top: float) -> str:
    ends = [(side, share / top) for side, share in (("a", change.share_a), ("b", change.share_b)) if share is not None]
    marks = _track(y=9, height=2)
    if len(ends) == 2:
        marks += f'<line class="moved" x1="{_percent(ends[0][1])}" x2="{_percent(ends[1][1])}" y1="10" y2="10"/>'
    marks += "".join(f'<circle class="dot-{side}" cx="{_percent(end)}" cy="10" r="6"/>' for side, end in ends)
    name = safe(words.group(change, kind))
    numbers = (
        f"{words.percent(change.share_a)} of {change.posts_a:,} → {words.percent(change.share_b)} of {change.posts_b:,}"
        f" · {words.points(change.difference)}"
    )
    return (
        f'<div class="day"><header><span>{change.day} <b><bdi>{name}</bdi></b></span><span>{numbers}</span></header>'
        f'<svg height="20" role="img" aria-label="{change.day} {name}: {numbers}">{marks}</svg>'
        f'<p class="soft">{safe(words.causes(change))}</p></div>'
    )


def _track(y: int = 2, height: int = 16) -> str:
    return f'<rect class="track" width="100%" height="{height}" y="{y}"/>'


def _percent(share: float) -> str:
    return f"{share * 100:.2f}%"
