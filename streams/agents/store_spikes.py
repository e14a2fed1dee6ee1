"""`alerts.spikes` → a sink that keeps spikes, beside the posts; what cannot be read → `posts.dead`."""

from __future__ import annotations

from collections.abc import Sequence

from streams import metrics
from streams.agents.dead_letter import dead_letter
from streams.agents.store import Store
from streams.contracts import DeadLetter, Spike, decode_spike
from streams.errors import BadMessage
from streams.lossless import Record


class StoreSpikes(Store):
    """As `Store`, for spikes; the sink is opened and closed by whoever stores the posts."""

    async def read(self, records: Sequence[Record]) -> list[Spike | DeadLetter]:
        """Raises DeadLetterLimit when most of the last records failed."""
        results: list[Spike | DeadLetter] = []
        for record in records:
            try:
                results.append(decode_spike(record.value, record.headers))
            except BadMessage as error:
                results.append(dead_letter(record, error, self._clock(), self._letter_limit))
        self._limit.check(results)
        return results

    async def write(self, result: Sequence[object]) -> None:
        await self._bury([letter for letter in result if isinstance(letter, DeadLetter)])
        spikes = [spike for spike in result if isinstance(spike, Spike)]
        if spikes:
            metrics.STORED.labels(self.worker.removeprefix("store-")).inc(
                await self._patiently(lambda: self._sink.keep_spikes(spikes))
            )

    async def flush(self) -> None:
        """Nothing is left to do: every write is durable."""
