"""The plots of the page, as HTML tables and inline SVG in percent, so that they fit any width and need no script."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable
from math import ceil

from streams.compare import words
from streams.compare.comparison import Agreement, Change, Matrix, TopicChange

_STEERS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
"""What turns the direction of writing."""
_STRONGEST = 0.6  # of a cell's colour: the number on it stays readable in light and dark
_SCALE_STEP = 0.05


def safe(text: str) -> str:
    """Text of anybody as HTML: it is shown, and can do nothing. Controls and what turns the direction of writing are
    written as escapes."""
    shown = (
        character.encode("unicode_escape", "replace").decode()
        if character in _STEERS or (unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t")
        else character
        for character in text
    )
    return html.escape("".join(shown))


def heat_map(matrix: Matrix, title: str) -> str:
    """A matrix as a table: rows A, columns B; each cell's colour is its share of its row."""
    head = "".join(f'<th scope="col"><bdi>{safe(words.label(label))}</bdi></th>' for label in matrix.labels)
    rows = "".join(
        f'<tr><th scope="row"><bdi>{safe(words.label(label))}</bdi></th>{_cells(i, counts)}</tr>'
        for i, (label, counts) in enumerate(zip(matrix.labels, matrix.counts, strict=True))
    )
    return (
        f'<figure><div class="scroll"><table aria-label="{safe(title)}">'
        f'<thead><tr><th><span class="a">A</span> ↓ <span class="b">B</span> →</th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        "<figcaption>Posts, and their share of the row. Blue: the same label in both runs; orange: flips.</figcaption></figure>"
    )


def _cells(row: int, counts: tuple[int, ...]) -> str:
    total = sum(counts)
    shown = []
    for column, count in enumerate(counts):
        share = count / total if total else 0.0
        colour = f"rgb(var(--{'same' if column == row else 'flip'}) / {share * _STRONGEST:.3f})"
        small = f"<small>{words.percent(share)}</small>" if count else ""
        shown.append(f'<td style="background:{colour}">{count:,}{small}</td>')
    return "".join(shown)


def agreement_bars(rows: Iterable[tuple[str, Agreement]]) -> str:
    """Bars of agreement from 0 to 100 %, each with its interval, its kappa and its number of posts."""
    shown = []
    for name, found in rows:
        bar = f'<rect class="bar" width="{_at(found.share or 0)}" height="16" y="2"/>'
        if found.interval:
            low, high = map(_at, found.interval)
            bar += f'<line class="whisker" x1="{low}" x2="{high}" y1="10" y2="10"/>'
        told = f"{words.percent(found.share)} · kappa {words.number(found.kappa)}"
        told += f" ({words.numbers(found.kappa_interval)})" if found.kappa_interval else ""
        shown.append(
            f"<span><bdi>{safe(name)}</bdi></span>"
            f'<svg height="20" role="img" aria-label="{safe(name)}: {told}">{_track()}{bar}</svg>'
            f"<span>{told} · {words.size(found)}</span>"
        )
    return (
        f'<figure><div class="bars">{"".join(shown)}</div>'
        "<figcaption>Share of posts with the same label, from 0 to 100 %; the line is the 95 % interval.</figcaption></figure>"
    )


def topic_bars(topics: Iterable[TopicChange]) -> str:
    """For each topic, of the posts that have it in either run: kept, lost, gained."""
    shown = []
    for each in topics:
        total = each.kept + each.lost + each.gained
        parts, begin = "", 0.0
        for kind, count in (("bar", each.kept), ("lost", each.lost), ("gained", each.gained)):
            parts += f'<rect class="{kind}" x="{_at(begin)}" width="{_at(count / total)}" height="16" y="2"/>'
            begin += count / total
        told = f"kept {each.kept:,} · lost {each.lost:,} · gained {each.gained:,}"
        shown.append(
            f"<span><bdi>{safe(each.topic)}</bdi></span>"
            f'<svg height="20" role="img" aria-label="{safe(each.topic)}: {told}">{parts}</svg>'
            f"<span>{told} · kappa {words.number(each.kappa)}</span>"
        )
    return (
        f'<figure><div class="bars">{"".join(shown)}</div>'
        "<figcaption>Blue: both runs give the topic; dark orange: only A; light orange: only B.</figcaption></figure>"
    )


def dumbbells(changes: tuple[Change, ...], kind: str) -> str:
    """The share of negative posts before (A) and after (B), a row a day and group, with the causes in words."""
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
        marks += f'<line class="moved" x1="{_at(ends[0][1])}" x2="{_at(ends[1][1])}" y1="10" y2="10"/>'
    marks += "".join(f'<circle class="dot-{side}" cx="{_at(at)}" cy="10" r="6"/>' for side, at in ends)
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


def _at(share: float) -> str:
    return f"{share * 100:.2f}%"
