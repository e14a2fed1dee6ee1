"""The internals of Faust and aiokafka that only the simulation uses.

It starts the parts of a worker one by one, on one loop and without connections, which neither library supports.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from types import SimpleNamespace
from typing import Any

from aiokafka import AIOKafkaClient, AIOKafkaConsumer, errors
from aiokafka.cluster import ClusterMetadata
from mode.utils.futures import notify

from tests.helpers.simulation import Cluster


def client_of(cluster: Cluster, connected: Callable[[], bool]) -> type[AIOKafkaClient]:
    """Return a replacement for aiokafka's client: the real class, except for its connections."""

    class SimulatedClient(AIOKafkaClient):  # type: ignore[misc]
        async def bootstrap(self) -> None:
            await cluster.late()
            self.cluster.update_metadata(cluster.metadata())
            self._sync_task = asyncio.create_task(self._md_synchronizer())

        async def _metadata_update(self, known: ClusterMetadata, topics: Any) -> bool:
            await cluster.late()
            known.update_metadata(cluster.metadata())
            return True

        async def send(self, node_id: int, request: Any, *, group: Any = None) -> Any:
            if not connected():
                raise errors.KafkaConnectionError("the process is dead")
            try:
                async with asyncio.timeout(self._request_timeout_ms / 1000):
                    answer = await cluster.answer(request)
            except TimeoutError:
                raise errors.RequestTimedOutError from None
            if not connected():
                raise errors.KafkaConnectionError("the process is dead")
            return answer

        async def ready(self, node_id: int, *, group: Any = None) -> bool:
            return connected()

    return SimulatedClient


def mark_closed(consumer: AIOKafkaConsumer) -> None:
    """Mark a killed consumer as closed, so that it does not complain that nobody closed it."""
    consumer._closed = True


def request_stop(app: Any) -> None:
    """Request that an application stop, without stopping the services that were never started."""
    app._stopped.set()


def replace_fetcher(app: Any, start: Callable[[], Awaitable[None]]) -> None:
    """Call `start` whenever Faust would start the service that reads."""
    app.__dict__["_fetcher"] = SimpleNamespace(maybe_start=start, should_stop=False)


async def start_queues(consumer: Any) -> None:
    """Start the queues through which one thread calls the other."""
    await consumer._method_queue.start()
    await consumer.thread.method_queue.start()


def recovery_of(app: Any) -> Coroutine[Any, Any, None]:
    """Return Faust's task that restores tables after each rebalance and then resumes the flow."""
    recovery = app.tables.recovery
    return type(recovery)._restart_recovery(recovery)  # type: ignore[no-any-return]


async def subscribe(app: Any) -> None:
    """Subscribe to the topics of the agents, as Faust's conductor does."""
    await app.consumer.subscribe(await app.topics._update_indices())
    notify(app.topics._subscription_done)
