"""A comparison as tables for the terminal, in which the contents of posts are made harmless."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from streams.compare import words
from streams.compare.comparison import (
    Agreement,
    Change,
    ChangedPost,
    Comparison,
    LabelSets,
    Matrix,
    SentimentComparison,
)
from streams.contracts import SEVERAL
from streams.text.terminal import plain

_TEXT_LENGTH = 200
_RIGHT = "right"


def as_tables(comparison: Comparison, rows: int) -> RenderableType:
    """Return the comparison as tables, with at most `rows` rows in the tables of days and of posts."""
    return Group(*_parts(comparison, rows))


def _parts(found: Comparison, rows: int) -> Iterator[RenderableType]:
    for side, run in (("A", found.a), ("B", found.b)):
        yield _text(f"{side}: {run.name}, {run.posts:,} posts", "bold")
        for model in run.models:
            yield Text.assemble("   ", plain(words.model(model)))
    yield _text(f"{words.selection(found)}: {words.overlap(found)}")
    for warning in found.warnings:
        yield _text(f"warning: {warning}", "yellow")
    yield _agreements(found)
    yield _matrix("Sentiment", found.sentiment.matrix)
    yield _languages(found.sentiment)
    yield _matrix("Language", found.language.matrix)
    for name, sets in found.label_sets().items():
        if sets.labels:
            yield _label_sets(name, sets)
    if len(found.campaign.matrix.labels) > 1:
        yield _matrix("Campaign topic", found.campaign.matrix)
    for kind, title, changes in (
        ("all", "day", found.daily.all),
        ("hashtags", "day and hashtag", found.daily.hashtags),
        ("languages", "day and language", found.daily.languages),
    ):
        yield _daily(f"Share of negative posts by {title}, largest difference first", kind, changes, rows)
    yield _changed(found.changed[:rows])


def _agreements(found: Comparison) -> Table:
    table = _table("Agreement, with 95 % intervals", "task", posts=_RIGHT, agree=_RIGHT, interval="", kappa=_RIGHT)
    table.add_column("interval")
    for name, agreement in (
        ("sentiment", found.sentiment.agreement),
        ("language", found.language.agreement),
        ("campaign topic", found.campaign.agreement),
    ):
        table.add_row(name, *_agreement(agreement))
    for name, sets in found.label_sets().items():
        share = sets.agreed / sets.posts if sets.posts else None
        kappa, interval = words.number(sets.mean_kappa), words.numbers(sets.mean_kappa_interval)
        table.add_row(f"{name} (mean kappa)", f"n = {sets.posts:,}", words.percent(share), words.NONE, kappa, interval)
    return table


def _languages(sentiment: SentimentComparison) -> Table:
    table = _table(
        "Agreement on the sentiment by language in A", "language", posts=_RIGHT, agree=_RIGHT, interval="", kappa=_RIGHT
    )
    table.add_column("interval")
    for each in sentiment.by_language:
        table.add_row(_text(each.language), *_agreement(each.agreement))
    return table


def _agreement(found: Agreement) -> tuple[str, ...]:
    return (
        words.size(found),
        words.percent(found.share),
        words.percents(found.interval),
        words.number(found.kappa),
        words.numbers(found.kappa_interval),
    )


def _matrix(title: str, matrix: Matrix) -> Table:
    table = _table(f"{title}: rows A, columns B", "A \\ B")
    for label in matrix.labels:
        table.add_column(_text(words.label(label)), justify="right")
    for i, (label, counts) in enumerate(zip(matrix.labels, matrix.counts, strict=True)):
        cells = (_text(f"{count:,}", "green" if i == j else "red" if count else "") for j, count in enumerate(counts))
        table.add_row(_text(words.label(label)), *cells)
    return table


def _label_sets(name: str, sets: LabelSets) -> Table:
    title = f"{name.capitalize()}, most changed first"
    table = _table(title, SEVERAL[name], kept=_RIGHT, lost=_RIGHT, gained=_RIGHT, kappa=_RIGHT, interval="")
    for each in sets.labels:
        counts = (f"{count:,}" for count in (each.kept, each.lost, each.gained))
        table.add_row(_text(each.label), *counts, words.number(each.kappa), words.numbers(each.kappa_interval))
    return table


def _daily(title: str, kind: str, changes: tuple[Change, ...], rows: int) -> Table:
    table = _table(title, "day", group="", A=_RIGHT, B=_RIGHT, difference=_RIGHT, causes="")
    for change in changes[:rows]:
        sides = (
            f"{words.percent(share)} of {posts:,}"
            for share, posts in ((change.share_a, change.posts_a), (change.share_b, change.posts_b))
        )
        name = _text(words.group(change, kind))
        table.add_row(f"{change.day}", name, *sides, words.points(change.difference), _text(words.causes(change)))
    if len(changes) > rows:
        table.caption = f"the first {rows} of {len(changes):,}; use --limit or --json to see more"
    return table


def _changed(posts: tuple[ChangedPost, ...]) -> Table:
    title = "The posts that changed most: total variation distance of negative / neutral / positive"
    table = _table(title, "distance", post="", A="", B="", text="")
    for post in posts:
        table.add_row(
            words.number(post.distance),
            _text(f"{post.source}:{post.id}"),
            _text(words.reading(post.a)),
            _text(words.reading(post.b)),
            _text(post.text[:_TEXT_LENGTH] + ("…" if len(post.text) > _TEXT_LENGTH else "")),
        )
    return table


def _table(title: str, first: str, **columns: str) -> Table:
    """Return an empty table with a first column and further ones, each with its alignment."""
    table = Table(title=title, title_justify="left", title_style="bold", caption_justify="left")
    table.add_column(first)
    for name, justify in columns.items():
        table.add_column(name, justify="right" if justify == _RIGHT else "left")
    return table


def _text(text: str, style: str = "") -> Text:
    return Text(plain(text), style=style)
