"""`alerts.spikes` → a sink that stores spikes as well as posts; unreadable records → `posts.dead`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

from streams import metrics
from streams.agents.dead_letter import dead_letter
from streams.agents.store import Store
from streams.contracts import DeadLetter, Spike, decode_spike
from streams.errors import BadMessage
from streams.retry.halving import Halving
from streams.runtime.lossless import Record


class ReadSpike(NamedTuple):
    """A spike and its record."""

    record: Record
    spike: Spike


class StoreSpikes(Store):
    """A `Store` for spikes. The `Store` of the posts opens and closes the sink."""

    async def read(self, records: Sequence[Record]) -> list[ReadSpike | DeadLetter]:
        """Return a spike or a dead letter for each record, in order.

        Raises:
            DeadLetterLimit: Too many of the last records failed.
        """
        return self._decoded(records, lambda record: ReadSpike(record, decode_spike(record.value, record.headers)))

    async def write(self, result: Sequence[object]) -> None:
        await self._send_to_dead_letters([letter for letter in result if isinstance(letter, DeadLetter)])
        await self._store_valid([read for read in result if isinstance(read, ReadSpike)])

    async def flush(self) -> None:
        """Do nothing: `write` is already durable."""

    async def _store_valid(self, reads: Sequence[ReadSpike]) -> None:
        """Store the spikes, except those that the sink refuses."""
        for part in (parts := Halving(reads)):
            spikes = [read.spike for read in part]
            try:
                kept = await self._retry_while_unavailable(functools.partial(self._sink.keep_spikes, spikes))
            except BadMessage as error:
                if len(part) > 1:
                    parts.split(part)
                else:
                    letter = dead_letter(part[0].record, error, self._clock(), self._letter_limit)
                    await self._send_to_dead_letters([letter])
            else:
                metrics.STORED.labels(self.worker.removeprefix("store-")).inc(kept)
