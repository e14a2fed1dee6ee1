"""`alerts.spikes` → a sink that keeps spikes, beside the posts; what cannot be read → `posts.dead`."""

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
    """A spike and the record it came in."""

    record: Record
    spike: Spike


class StoreSpikes(Store):
    """As `Store`, for spikes; the sink is opened and closed by whoever stores the posts."""

    async def read(self, records: Sequence[Record]) -> list[ReadSpike | DeadLetter]:
        """Raises DeadLetterLimit when most of the last records failed."""
        results: list[ReadSpike | DeadLetter] = []
        for record in records:
            try:
                results.append(ReadSpike(record, decode_spike(record.value, record.headers)))
            except BadMessage as error:
                results.append(dead_letter(record, error, self._clock(), self._letter_limit))
        self._limit.check(results)
        return results

    async def write(self, result: Sequence[object]) -> None:
        await self._send_to_dead_letters([letter for letter in result if isinstance(letter, DeadLetter)])
        await self._keep([read for read in result if isinstance(read, ReadSpike)])

    async def flush(self) -> None:
        """Nothing is left to do: every write is durable."""

    async def _keep(self, reads: Sequence[ReadSpike]) -> None:
        """Keeps what can be kept: where the sink refuses, they are halved until the spike at fault stands alone."""
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
            await self._keep(reads[:middle])
            await self._keep(reads[middle:])
        else:
            metrics.STORED.labels(self.worker.removeprefix("store-")).inc(kept)
