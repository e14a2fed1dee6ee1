"""`tagpulse forget`: remove posts, or all posts of an author, from every sink."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import click

from streams import log
from streams.cli.options import sinks_option
from streams.contracts import utc_now
from streams.errors import BadInput
from streams.settings import load_settings
from streams.sinks.base import Author, Erasure, PostKey, Sink
from streams.sinks.forget import Removal, erasure_of, forget
from streams.sinks.registry import SINKS, chosen_sinks
from streams.text.terminal import json_text, plain


class _SourceValue(click.ParamType):
    """A value of the form SOURCE:NAME or SOURCE:ID; the part after the first colon may contain more colons."""

    def __init__(self, part: str) -> None:
        self.name = f"SOURCE:{part}"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        source, _, rest = value.partition(":")
        if not source or not rest:
            self.fail(f"{value!r} is not {self.name}", param, ctx)
        return source, rest


@click.command()
@click.option(
    "--author", "authors", type=_SourceValue("NAME"), multiple=True, help="Forget all posts of this author; repeatable."
)
@click.option("--post", "posts", type=_SourceValue("ID"), multiple=True, help="Forget this post; repeatable.")
@click.option(
    "--reposts",
    type=click.Choice(["remove", "clear"]),
    default="remove",
    show_default=True,
    help="Remove the reposts of these posts, or keep them without text and media.",
)
@sinks_option
@click.option("--execute", is_flag=True, help="Remove the posts; without this, only the plan is shown.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the report of what was removed (JSON); default: standard output.",
)
def command(
    authors: tuple[tuple[str, str], ...],
    posts: tuple[tuple[str, str], ...],
    reposts: Literal["remove", "clear"],
    sinks: tuple[str, ...],
    execute: bool,
    report: Path | None,
) -> int:
    """Permanently remove posts, or all posts of an author, along with their reposts, from every sink and run.

    Reposts are found by the id of the post, by an id that contains the author's name (Bluesky, Mastodon), or by
    "RT @NAME:" at the start of the text. Later reposts are treated the same way if they refer to a forgotten post by
    its id.

    Names must be given as they are stored; a Bluesky account is stored by its DID. If TAGPULSE_PRIVACY__AUTHOR_KEY is
    set, posts under the author's pseudonym are found too. Records in Kafka, including dead letters, are not touched:
    they expire with the retention of their topics, and sinks do not store forgotten posts again when they read them.

    The report lists the request and the ids of the removed posts. Exit code 1 if a sink failed; run the command again.

    \b
    Examples:
      tagpulse forget --author bluesky:did:plc:ewvi7nxzyoun6zhxrhs64oiz
      tagpulse forget --author x:anna --post file:4711 --execute --report forgotten.json
    """
    if not authors and not posts:
        raise click.UsageError("nothing to forget: give --author or --post")
    settings = load_settings()
    log.configure(settings.log)
    asked_authors = [Author(*author) for author in authors]
    asked_posts = [PostKey(*post) for post in posts]
    key = settings.privacy.author_key
    wanted = erasure_of(asked_authors, asked_posts, key.get_secret_value().encode() if key else None, reposts)
    chosen = [SINKS.find(name).from_settings(settings) for name in chosen_sinks(sinks, settings)]
    for line in _plan(chosen, wanted):
        click.echo(line, err=execute)
    if not execute:
        plan = asyncio.run(forget(chosen, wanted, execute=False))
        for removal in plan:
            click.echo(_summary(removal, "to be removed", reposts))
        click.echo("nothing was done: add --execute to remove them")
        return int(any(removal.error for removal in plan))
    if report is not None:
        _write(report, "")  # fail before anything is removed if the report cannot be written
    removals = asyncio.run(forget(chosen, wanted))
    text = json_text(_report(asked_authors, asked_posts, reposts, removals), indent=2)
    if report is None:
        click.echo(text)
    else:
        _write(report, text + "\n")
    for removal in removals:
        click.echo(_summary(removal, "removed", reposts), err=True)
    return int(any(removal.error for removal in removals))


def _plan(sinks: Sequence[Sink], wanted: Erasure) -> Iterator[str]:
    yield f"to forget in {', '.join(sink.name for sink in sinks)}:"
    for source, name in sorted(wanted.authors):
        yield f"  all posts of the author {plain(source)}:{plain(name)}"
    for source, post_id in sorted(wanted.posts):
        yield f"  the post {plain(source)}:{plain(post_id)}"


def _summary(removal: Removal, fate: str, reposts: str) -> str:
    if removal.error:
        return f"{removal.sink}: failed: {plain(str(removal.error))}"
    repost_fate = fate if reposts == "remove" else f"{fate.removesuffix('removed')}cleared of their text"
    return f"{removal.sink}: {len(removal.removed)} posts {fate}, {len(removal.reposts)} reposts of them {repost_fate}"


def _report(
    authors: Sequence[Author], posts: Sequence[PostKey], reposts: str, removals: Sequence[Removal]
) -> dict[str, Any]:
    return {
        "at": utc_now(),
        "authors": [author._asdict() for author in authors],
        "posts": [post._asdict() for post in posts],
        "reposts": reposts,
        "sinks": [
            {
                "sink": removal.sink,
                "removed": [post._asdict() for post in removal.removed],
                "reposts": [post._asdict() for post in removal.reposts],
                "error": str(removal.error) if removal.error else None,
            }
            for removal in removals
        ],
    }


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path}: cannot write the report: {error.strerror or error}") from error
