"""Results are durable before anything is acknowledged, and acknowledgements keep the reading order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from streams.errors import DeadLetterLimit
from streams.runtime import lossless
from streams.runtime.lossless import BatchPolicy, Lossless, PartitionId, Record
from tests.helpers.processes import eventually


class FakeStream:
    """A Faust stream into which the test puts batches, and which records acknowledgements."""

    def __init__(self) -> None:
        self.batches: asyncio.Queue[list[Any]] = asyncio.Queue()
        self.acknowledged: list[int] = []

    async def take(self, size: int, within: float) -> AsyncIterator[list[Any]]:
        while True:
            yield await self.batches.get()

    async def ack(self, event: Any) -> None:
        self.acknowledged.append(event.message.offset)

    def put(self, *offsets: int, generation: int = 1) -> None:
        self.batches.put_nowait([_event(offset, generation) for offset in offsets])


def _event(offset: int, generation: int = 1) -> Any:
    message = SimpleNamespace(
        topic="t", partition=0, offset=offset, timestamp=float(offset), key=b"k", value=b"v", headers=None,
        generation_id=generation,
    )  # fmt: skip
    return SimpleNamespace(message=message)


class Collected:
    """An output that records what was written and what was flushed."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self.durable: list[int] = []
        self.may_flush = asyncio.Event()
        self.may_flush.set()

    async def write(self, result: Sequence[int]) -> None:
        self.written += result

    async def flush(self) -> None:
        await self.may_flush.wait()
        self.durable = list(self.written)


async def _offsets(records: Sequence[Record]) -> list[int]:
    return [record.offset for record in records]


def _pace(**changes: Any) -> BatchPolicy:
    return BatchPolicy(**({"batch_size": 10, "max_wait_seconds": 0.1, "batches_in_flight": 3} | changes))


def _recipe(process: Any, output: Any, pace: BatchPolicy, **more: Any) -> Lossless[list[int]]:
    return Lossless("test", process, output, pace, take=FakeStream.take, **more)


async def test_nothing_is_acknowledged_before_it_is_durable() -> None:
    stream, output = FakeStream(), Collected()
    output.may_flush.clear()
    running = asyncio.create_task(_recipe(_offsets, output, _pace()).run(stream))
    stream.put(0, 1)
    stream.put(2)
    await eventually(lambda: output.written == [0, 1])
    await asyncio.sleep(0)
    assert stream.acknowledged == []
    output.may_flush.set()
    await eventually(lambda: stream.acknowledged == [0, 1, 2])
    assert output.durable == [0, 1, 2]
    running.cancel()


async def test_a_later_batch_that_is_ready_first_waits_for_its_turn() -> None:
    stream, output, slow = FakeStream(), Collected(), asyncio.Event()

    async def process(records: Sequence[Record]) -> list[int]:
        if records[0].offset == 0:
            await slow.wait()
        return [record.offset for record in records]

    running = asyncio.create_task(_recipe(process, output, _pace()).run(stream))
    stream.put(0)
    stream.put(1)
    await eventually(stream.batches.empty)
    assert output.written == []
    slow.set()
    await eventually(lambda: stream.acknowledged == [0, 1])
    running.cancel()


async def test_no_more_batches_are_in_flight_than_the_pace_allows() -> None:
    stream, output, gate = FakeStream(), Collected(), asyncio.Event()
    started: list[int] = []

    async def process(records: Sequence[Record]) -> list[int]:
        started.append(records[0].offset)
        await gate.wait()
        return [record.offset for record in records]

    running = asyncio.create_task(_recipe(process, output, _pace(batches_in_flight=2)).run(stream))
    for offset in range(5):
        stream.put(offset)
    await eventually(lambda: len(started) == 2)
    for _ in range(20):
        await asyncio.sleep(0)
    assert started == [0, 1]
    gate.set()
    await eventually(lambda: stream.acknowledged == [0, 1, 2, 3, 4])
    running.cancel()


async def test_small_batches_are_flushed_together_when_the_pace_says_so() -> None:
    stream, output = FakeStream(), Collected()
    pace = _pace(flush_records=3, flush_seconds=3_600.0)
    running = asyncio.create_task(_recipe(_offsets, output, pace).run(stream))
    stream.put(0)
    stream.put(1)
    await eventually(lambda: output.written == [0, 1])
    assert stream.acknowledged == []
    stream.put(2)
    await eventually(lambda: stream.acknowledged == [0, 1, 2])
    running.cancel()


async def test_a_drain_flushes_what_was_read_and_reads_no_more() -> None:
    stream, output = FakeStream(), Collected()
    recipe = _recipe(_offsets, output, _pace(flush_records=100, flush_seconds=3_600.0))
    running = asyncio.create_task(recipe.run(stream))
    stream.put(0, 1)
    await eventually(lambda: output.written == [0, 1])
    assert await recipe.drain(5)
    assert stream.acknowledged == [0, 1]
    stream.put(2)
    await eventually(stream.batches.empty)
    assert output.written == [0, 1]
    running.cancel()


async def test_a_drain_gives_up_on_an_output_that_is_away() -> None:
    stream, output = FakeStream(), Collected()
    output.may_flush.clear()
    recipe = _recipe(_offsets, output, _pace())
    running = asyncio.create_task(recipe.run(stream))
    stream.put(0)
    await eventually(lambda: output.written == [0])
    assert not await recipe.drain(0.05)
    assert stream.acknowledged == []
    running.cancel()


@pytest.mark.parametrize(
    ("failure", "code"), [(ValueError("a bug"), 70), (DeadLetterLimit("most of them"), DeadLetterLimit.exit_code)]
)
async def test_any_error_ends_the_process_without_an_acknowledgement(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, code: int
) -> None:
    ended: list[int] = []

    def end(code: int, reason: str) -> None:
        ended.append(code)
        raise asyncio.CancelledError(reason)

    async def process(records: Sequence[Record]) -> list[int]:
        raise failure

    monkeypatch.setattr(lossless, "exit_now", end)
    stream = FakeStream()
    running = asyncio.create_task(_recipe(process, Collected(), _pace()).run(stream))
    stream.put(0)
    await eventually(lambda: ended == [code])
    assert stream.acknowledged == []
    running.cancel()


async def test_a_drain_waits_for_a_batch_that_waits_for_its_turn() -> None:
    stream, output, gate = FakeStream(), Collected(), asyncio.Event()

    async def process(records: Sequence[Record]) -> list[int]:
        await gate.wait()
        return [record.offset for record in records]

    recipe = _recipe(process, output, _pace(batches_in_flight=1))
    running = asyncio.create_task(recipe.run(stream))
    stream.put(0)
    stream.put(1)
    await eventually(stream.batches.empty)
    draining = asyncio.create_task(recipe.drain(5))
    gate.set()
    assert await draining
    assert stream.acknowledged == [0, 1]
    assert recipe.acknowledged == 2
    running.cancel()


class Holding(Collected):
    """An output that releases what the test sets, and records its other calls."""

    def __init__(self) -> None:
        super().__init__()
        self.until = 0
        self.ticks: list[dict[PartitionId, bool]] = []
        self.restarts: list[list[int]] = []

    def restart(self) -> None:
        self.restarts.append(list(self.written))

    async def tick(self, owned: Mapping[PartitionId, bool]) -> None:
        self.ticks.append(dict(owned))

    def released(self, place: PartitionId) -> int:
        return self.until

    def handled(self) -> Mapping[PartitionId, int]:
        return {}


def _held(output: Holding, owned: dict[PartitionId, bool] | None = None) -> Lossless[Any]:
    return _recipe(_offsets, output, _pace(tick_seconds=0.01), owned=lambda: owned or {})


async def test_what_is_held_is_acknowledged_once_it_is_released() -> None:
    stream, output = FakeStream(), Holding()
    recipe = _held(output, {("t", 0): True})
    running = asyncio.create_task(recipe.run(stream))
    stream.put(0, 1, 2)
    stream.put(3, 4)
    await eventually(lambda: output.durable == [0, 1, 2, 3, 4])
    assert stream.acknowledged == []
    output.until = 2
    await eventually(lambda: stream.acknowledged == [0, 1])
    output.until = 4
    await eventually(lambda: stream.acknowledged == [0, 1, 2, 3])
    assert output.ticks[0] == {("t", 0): True}
    assert await recipe.drain(5), "unreleased records are not unfinished work"
    running.cancel()


async def test_after_a_rebalance_partitions_restart_from_the_committed_offsets() -> None:
    stream, output = FakeStream(), Holding()
    running = asyncio.create_task(_held(output).run(stream))
    stream.put(0, 1)
    await eventually(lambda: output.written == [0, 1])
    stream.put(0, 1, generation=2)
    await eventually(lambda: output.written == [0, 1, 0, 1])
    assert output.restarts == [[], [0, 1]], "one at the start, one before the first record of the new generation"
    output.until = 5
    await eventually(lambda: stream.acknowledged == [0, 1])
    running.cancel()
