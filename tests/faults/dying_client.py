"""`tagpulse worker enrich` in which aiokafka's coordination ends after joining the group; run it as a module."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest import mock

from streams.cli import main
from streams.runtime import worker
from streams.runtime.faust_app import build_app
from streams.runtime.faust_internals import created_consumer
from tests.helpers.processes import eventually


def _build(*arguments: Any) -> Any:
    app = build_app(*arguments)

    async def die() -> None:
        await eventually(lambda: (consumer := created_consumer(app)) is not None and consumer.progress, 60)
        thread = app.consumer.thread
        thread.thread_loop.call_soon_threadsafe(thread.background_tasks()["coordination"].cancel)

    asyncio.get_running_loop().call_later(0.1, lambda: asyncio.ensure_future(die()))
    return app


if __name__ == "__main__":
    with mock.patch.object(worker, "build_app", _build):
        main(["worker", "enrich"])
