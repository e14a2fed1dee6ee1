"""`tagpulse record`: record the raw frames of a live network to a file."""

from __future__ import annotations

import asyncio
from contextlib import closing, suppress
from pathlib import Path

import click

from streams import log
from streams.cli.networks import hashtags_of, tag_option
from streams.processes.signals import on_stop
from streams.settings import load_settings
from streams.sources.base import Source
from streams.sources.recorder import Recorder
from streams.sources.registry import NETWORKS
from streams.text.terminal import json_text


@click.command("record")
@click.argument("network", type=click.Choice(NETWORKS.names()))
@click.option(
    "--to", "path", type=click.Path(path_type=Path), required=True, metavar="FILE.zst", help="File to create."
)
@tag_option
@click.option(
    "--seconds", type=click.FloatRange(min=0, min_open=True), help="Stop after this time; default: run until stopped."
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as a JSON object on standard output.")
def command(network: str, path: Path, tags: tuple[str, ...], seconds: float | None, as_json: bool) -> int:
    """Record the raw frames of a live network, to be replayed with `tagpulse produce file --as NETWORK FILE.zst`.

    Kafka is not needed. A recording contains the original posts but no tokens, so it can be attached to a bug report if
    everyone who can read the report may also read the posts.

    \b
    Examples:
      tagpulse record bluesky --tag poltwt --to day.zst
      tagpulse record mastodon --tag poltwt --seconds 600 --to day.zst
      tagpulse produce file --as mastodon --tag poltwt day.zst
    """
    settings = load_settings()
    log.configure(settings.log)
    hashtags = hashtags_of(settings, tags)
    source = NETWORKS.find(network)(settings).open_source(hashtags)
    with closing(Recorder(path, network, hashtags)) as recorder:
        source.recorder = recorder
        asyncio.run(_listen(source, seconds))
    if as_json:
        click.echo(
            json_text({"network": network, "path": str(path), "frames": recorder.frames, "bytes": recorder.size})
        )
    else:
        click.echo(f"recorded {recorder.frames:,} frames of {network} in {path} ({recorder.size:,} bytes)")
    return 0


async def _listen(source: Source, seconds: float | None) -> None:
    """Read from the source until the process is stopped, for at most `seconds`."""
    stopping = asyncio.Event()
    on_stop(stopping.set)

    async def read() -> None:
        async for _ in source.batches():
            pass

    reading = asyncio.create_task(read())
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait({reading, waiting}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not reading.done():
        reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading
