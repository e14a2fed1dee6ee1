"""`tagpulse broker`: run a development broker in the foreground."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import get_args

import click

from streams.processes.broker import Kind, build_broker
from streams.processes.signals import StopRequest, on_stop

_POLL_SECONDS = 0.2


@click.command("broker")
@click.option(
    "--kind",
    type=click.Choice(get_args(Kind)),
    default="embedded",
    show_default=True,
    help="embedded: one small program that keeps everything in memory; apache: from KAFKA_HOME, needs Java.",
)
@click.option("--port", type=click.IntRange(1, 65535), default=9092, show_default=True, help="Port on 127.0.0.1.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for data and logs; default: a temporary folder that is removed at exit.",
)
def command(kind: Kind, port: int, data: Path | None) -> int:
    """Run a development broker in the foreground on 127.0.0.1, until Ctrl-C.

    The embedded broker keeps everything in memory, so it starts empty. Neither kind is meant for a live day: run Apache
    Kafka with three nodes for that.

    \b
    Examples:
      tagpulse broker                                    embedded, on 127.0.0.1:9092
      KAFKA_HOME=~/kafka_2.13-4.3.1 tagpulse broker --kind apache --data ./kafka
    """
    stopping = StopRequest()
    on_stop(stopping.make)
    with contextlib.ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tagpulse-broker-")))
        broker = stack.enter_context(build_broker(kind, folder.resolve(), port))
        click.echo(f"broker ready: TAGPULSE_KAFKA__BOOTSTRAP_SERVERS={broker.bootstrap_servers} (Ctrl-C to stop)")
        while not stopping.wait(_POLL_SECONDS):
            broker.check()
    return 0
