"""`tagpulse worker enrich` in which Faust itself crashes after 100 posts; run it as a module."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest import mock

from streams.cli import main
from streams.runtime import worker
from streams.runtime.faust_app import build_app
from tests.helpers.processes import eventually

POSTS = 100


def _build(*arguments: Any) -> Any:
    app = build_app(*arguments)

    async def crash() -> None:
        await eventually(lambda: arguments[2].acknowledged >= POSTS, 60)
        await app.consumer.crash(RuntimeError("the consumer broke"))

    asyncio.get_running_loop().call_later(0.1, lambda: asyncio.ensure_future(crash()))
    return app


if __name__ == "__main__":
    with mock.patch.object(worker, "build_app", _build):
        main(["worker", "enrich"])
