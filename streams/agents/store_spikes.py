"""`alerts.spikes` → a sink that stores spikes as well as posts; unreadable records → `posts.dead`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from streams import metrics
from streams.agents.dead_letter import dead_letter
from streams.agents.store import Store
from streams.contracts import DeadLetter, Spike, decode_spike
from streams.errors import BadMessage
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
        """Store the spikes; a batch that the sink refuses is split in half until the spike at fault is isolated."""
        if not reads:
            return
        try:
            kept = await self._retry_while_unavailable(lambda: self._sink.keep_spikes([read.spike for read in reads]))
        except BadMessage as error:
            if len(reads) == 1:
                await self._send_to_dead_letters(
                    [dead_letter(reads[0].record, error, self._clock(), self._letter_limit)]
                )
                return
            middle = len(reads) // 2
            await self._store_valid(reads[:middle])
            await self._store_valid(reads[middle:])
        else:
            metrics.STORED.labels(self.worker.removeprefix("store-")).inc(kept)
