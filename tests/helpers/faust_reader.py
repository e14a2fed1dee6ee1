"""A small Faust worker: `python -m tests.helpers.faust_reader TOPIC COUNT FILE` writes COUNT values, one per line."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import faust

from streams.kafka import connection
from streams.settings import load_settings


def main(topic: str, count: int, path: Path) -> None:
    kafka = load_settings().kafka
    app = faust.App(
        f"{kafka.group_prefix}.reader",
        **connection.faust_broker(kafka),
        store="memory://",
        datadir=path.parent / "faust",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        autodiscover=False,
        consumer_auto_offset_reset="earliest",
    )
    channel = app.topic(topic, value_type=bytes, value_serializer="raw")

    @app.agent(channel)  # type: ignore[untyped-decorator]
    async def read(stream: Any) -> None:
        seen: list[str] = []
        async for value in stream:
            seen.append(value.decode())
            if len(seen) == count:
                path.write_text("\n".join(seen))
                os._exit(0)  # a Faust worker cannot be ended from inside

    faust.Worker(app, loglevel="warn").execute_from_commandline()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
