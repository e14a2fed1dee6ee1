"""A simulated worker: its recipe, its consumer, and their parts of Faust and aiokafka, without the rest of a process."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
from collections.abc import Coroutine, Sequence
from typing import Any, NoReturn

from streams.runtime import faust_batches, faust_thread
from streams.runtime.faust_app import build_app
from streams.runtime.lossless import BatchPolicy, Lossless, Record
from streams.runtime.offset_gaps import Expired, OffsetRange
from streams.settings import KafkaSettings
from tests.helpers import client_internals
from tests.helpers.simulated_loop import SimulatedLoop
from tests.helpers.simulation import Cluster

_PACE = BatchPolicy(batch_size=4, max_wait_seconds=0.05, batches_in_flight=2)
_STOP_SECONDS = 5.0
_running: contextvars.ContextVar[SimulatedWorker | None] = contextvars.ContextVar("running", default=None)


class SimulatedThread(faust_thread.Thread):
    """aiokafka's thread, run on the loop of the simulation; the queues between the threads are real."""

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, thread_loop=asyncio.get_running_loop(), **options)


class Store:
    """The durable store of the posts of all workers, whose writes are slow by chance."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.rows: dict[tuple[int, int], bytes | None] = {}
        self.gaps: list[Expired] = []

    async def write(self, result: Sequence[Record]) -> None:
        await self._cluster.late()
        self.rows |= {(record.partition, record.offset): record.value for record in result}

    async def flush(self) -> None:
        """Do nothing: a write is durable at once."""


class SimulatedWorker:
    """One process; `reasons` lists why it ended by itself."""

    def __init__(self, name: str, cluster: Cluster, store: Store, *, static: bool) -> None:
        self._cluster = cluster
        self._store = store
        self._kafka = KafkaSettings(
            instance_id=name if static else None,
            session_timeout_seconds=6.0,
            request_timeout_seconds=8.0,
            heartbeat_seconds=1.0,
            rebalance_timeout_seconds=10.0,
            metadata_seconds=2.0,
        )
        self.alive = True
        self.reasons: list[str] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._drain: asyncio.Task[Any] | None = None
        self._app: Any = None
        token = _running.set(self)
        self._spawn(self._run())
        _running.reset(token)

    def own(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task whose failure ends the process, like that of a Faust service."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._note)
        return task

    def _note(self, task: asyncio.Task[Any]) -> None:
        if self.alive and not task.cancelled() and (error := task.exception()) is not None:
            self.end(repr(error))

    def end(self, reason: str) -> None:
        if self.alive:
            self.reasons.append(reason)
            self.kill()

    @property
    def has_partitions(self) -> bool:
        return bool(self._app.consumer.assignment())

    def kill(self) -> None:
        """End the process like `kill -9`: nothing that it does afterwards has any effect."""
        self.alive = False
        if self._app is not None and self._app.consumer.thread.is_started:
            client_internals.mark_closed(self._app.consumer.thread.client)
        for task in list(self._tasks):
            task.cancel()

    async def leave(self) -> None:
        """End the process like SIGTERM: finish and commit what was read, and leave the group."""
        if self._drain is not None:
            await self.recipe.drain(_STOP_SECONDS)
            await self._app.consumer.commit()
        if self._app is not None and self._app.consumer.thread.is_started:
            client_internals.request_stop(self._app)
            # A worker does not wait longer. If aiokafka loses its assignment while it closes, its fetcher suppresses its
            # own cancellation and never ends.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await self._app.consumer.thread.client.stop()
        self.kill()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        take = functools.partial(faust_batches.take, clock=loop.time)
        self.recipe: Lossless[Any] = Lossless("enrich", self._process, self._store, _PACE, clock=loop.time, take=take)
        app = self._app = build_app("group", self._cluster.topic, self.recipe, _PACE, self._kafka, self._report)
        app.transport.examine = self._examine
        client_internals.replace_fetcher(app, self._start_reading)
        consumer = app.consumer
        stream = next(iter(app.agents.values())).stream()
        aiter(stream.channel)
        await client_internals.start_queues(consumer)
        await consumer.thread.on_start()
        self._spawn(client_internals.recovery_of(app))
        self._spawn(self.recipe.run(stream))
        self._spawn(self._commit())
        self._spawn(consumer.adopt())
        await client_internals.subscribe(app)

    async def _start_reading(self) -> None:
        if self._drain is None:
            consumer = self._app.consumer
            self._drain = self._spawn(consumer.read_until(lambda: consumer.should_stop))

    async def _commit(self) -> None:
        while True:
            await asyncio.sleep(0.3)
            await self._app.consumer.commit()

    async def _process(self, records: Sequence[Record]) -> Sequence[Record]:
        await self._cluster.late()
        return records

    async def _report(self, gone: Expired) -> None:
        self._store.gaps.append(gone)

    async def _examine(self, topic: str, partition: int, start: int, end: int) -> OffsetRange:
        await self._cluster.late()
        log = self._cluster.partitions[partition]
        return OffsetRange(log.start, [offset for offset in log.records if start <= offset < end])


def task_factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    """Create a task that belongs to the worker that started it."""
    assert isinstance(loop, SimulatedLoop)
    task = loop.new_task(coroutine, **options)
    worker = _running.get()
    if worker is not None:
        worker.own(task)
        if not worker.alive:
            task.cancel()
    return task


def exit_now(code: int, reason: str) -> NoReturn:
    """End the current worker; this replaces `lossless.exit_now`."""
    worker = _running.get()
    assert worker is not None
    worker.end(f"{reason} (exit {code})")
    raise asyncio.CancelledError


def is_connected() -> bool:
    """Return whether the calling process is alive."""
    worker = _running.get()
    return worker is None or worker.alive
