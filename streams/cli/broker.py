"""`tagpulse broker`: a broker in the foreground."""

from __future__ import annotations

import contextlib
import signal
import tempfile
import threading
from pathlib import Path
from typing import get_args

import click

from streams.errors import Unavailable
from streams.processes.broker import Kind, build_broker

_POLL_SECONDS = 0.2


@click.command("broker")
@click.option(
    "--kind",
    type=click.Choice(get_args(Kind)),
    default="embedded",
    show_default=True,
    help="embedded: in memory, one small program; apache: from KAFKA_HOME, needs Java.",
)
@click.option("--port", type=click.IntRange(1, 65535), default=9092, show_default=True, help="Port on 127.0.0.1.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for data and log; default: a temporary one, removed at the end.",
)
def command(kind: Kind, port: int, data: Path | None) -> int:
    """Run a broker for development in the foreground, on 127.0.0.1. Ctrl-C ends it.

    The embedded broker keeps everything in memory: it starts empty. Neither kind is made for a live day: run Apache
    Kafka with three nodes there.

    \b
    Examples:
      tagpulse broker                                    embedded, on 127.0.0.1:9092
      KAFKA_HOME=~/kafka_2.13-4.3.1 tagpulse broker --kind apache --data ./kafka
    """
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with contextlib.ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tagpulse-broker-")))
        broker = stack.enter_context(build_broker(kind, folder.resolve(), port))
        click.echo(f"broker ready: TAGPULSE_KAFKA__BOOTSTRAP_SERVERS={broker.bootstrap_servers} (Ctrl-C ends it)")
        while not ended.wait(_POLL_SECONDS):
            if not broker.running:
                raise Unavailable(f"the broker ended by itself with {broker.wait()}: {broker.log_tail()}")
    return 0
