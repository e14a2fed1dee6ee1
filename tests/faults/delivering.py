"""A worker that only delivers spikes, until it is killed."""

from __future__ import annotations

import asyncio

from streams import log
from streams.delivery.delivery import Delivery
from streams.settings import load_settings

if __name__ == "__main__":
    settings = load_settings()
    log.configure(settings.log)
    asyncio.run(Delivery(settings).run())
