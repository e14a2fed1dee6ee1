"""Schedules drawn from seeds: workers join, leave and die while partitions are added and the broker freezes.

`PYTHONHASHSEED=0 python -m tests.helpers.schedules --count 1000` prints those of 1,000 that lost a post or ended a worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import random
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple
from unittest import mock

import click
from aiokafka.consumer import consumer as aiokafka_consumer

from streams.runtime import faust_consumer, faust_thread, lossless
from tests.helpers import simulated_worker
from tests.helpers.client_internals import client_of
from tests.helpers.simulated_loop import Lateness, SimulatedLoop
from tests.helpers.simulated_worker import SimulatedWorker, Store
from tests.helpers.simulation import Cluster

TOPIC = "posts.raw"
_SETTLE_POLLS = 240
_POLL_SECONDS = 0.5
_LONG_SECONDS = 1_500.0


class Outcome(NamedTuple):
    """The outcome of a schedule."""

    lost: list[tuple[int, int]]
    ended: list[str]
    """Why workers ended by themselves."""
    stood_still: bool
    """Whether nothing was lost, but the workers had to be restarted."""
    plan: list[str]


async def _play(cluster: Cluster, dice: random.Random) -> Outcome:
    store = Store(cluster)
    watching = asyncio.create_task(cluster.group.watch())
    workers: list[SimulatedWorker] = []
    gone: list[SimulatedWorker] = []
    plan: list[str] = []
    static = dice.random() < 0.3
    posts = iter(range(10**6))
    loop = asyncio.get_running_loop()

    def join(name: str) -> None:
        workers.append(SimulatedWorker(name, cluster, store, static=static))

    async def feed(count: int) -> None:
        for _ in range(count):
            cluster.append(dice.randrange(len(cluster.partitions)), str(next(posts)).encode())
            await asyncio.sleep(dice.expovariate(20))

    async def act() -> None:
        choice = dice.choice(["grow", "grow", "join", "leave", "kill", "restart", "freeze", "hole"])
        plan.append(f"{loop.time():.2f} {choice}")
        match choice:
            case "grow":
                cluster.grow(dice.randint(1, 3))
            case "join" if len(workers) < 3:
                join(f"worker-{loop.time():.3f}")
            case "leave" if len(workers) > 1:
                worker = workers.pop(dice.randrange(len(workers)))
                gone.append(worker)
                with contextlib.suppress(asyncio.CancelledError):
                    await worker.leave()
            case "kill" | "restart":
                number = dice.randrange(len(workers))
                workers[number].kill()
                gone.append(workers[number])
                name = f"worker-{number}" if choice == "restart" else f"worker-{loop.time():.3f}"
                workers[number] = SimulatedWorker(name, cluster, store, static=static)
            case "freeze":
                cluster.freeze()
                await asyncio.sleep(dice.uniform(0, 9))
                cluster.thaw()
            case "hole":
                dice.choice(cluster.partitions).skip(dice.randint(1, 3))

    for number in range(dice.randint(1, 2)):
        join(f"worker-{number}")
    for _ in range(dice.randint(1, 3)):
        feeding = asyncio.create_task(feed(dice.randint(5, 20)))
        await asyncio.sleep(dice.uniform(0, 3))
        await act()
        await feeding
    expected = {(n, offset) for n, log in enumerate(cluster.partitions) for offset in log.records}
    stood_still = False
    while not await _settled(expected, store, workers) and not stood_still:
        # the watchdog ends workers that stand still, and their supervisor restarts them
        stood_still = True
        for number, worker in enumerate(workers):
            worker.kill()
            gone.append(worker)
            workers[number] = SimulatedWorker(f"worker-{number}", cluster, store, static=static)
    await _settled(expected, store, workers)
    for worker in workers:
        worker.kill()
        gone.append(worker)
    watching.cancel()
    lost = sorted(expected - store.rows.keys())
    return Outcome(lost, [reason for worker in gone for reason in worker.reasons], stood_still and not lost, plan)


async def _settled(expected: set[tuple[int, int]], store: Store, workers: Sequence[SimulatedWorker]) -> bool:
    """Return whether everything expected has been stored, or a worker has died, within the time limit."""
    for _ in range(_SETTLE_POLLS):
        if not expected - store.rows.keys() or not all(worker.alive for worker in workers):
            return True
        await asyncio.sleep(_POLL_SECONDS)
    return False


async def _standby(cluster: Cluster, dice: random.Random) -> Outcome:
    """Give one of two workers no partition for a long time, and then kill the other one."""
    store, watching = Store(cluster), asyncio.create_task(cluster.group.watch())
    workers = [SimulatedWorker(f"worker-{number}", cluster, store, static=False) for number in range(2)]
    await asyncio.sleep(_LONG_SECONDS)
    for worker in [worker for worker in workers if worker.has_partitions]:
        worker.kill()
    cluster.append(0, b"late")
    for _ in range(_SETTLE_POLLS):
        await asyncio.sleep(_POLL_SECONDS)
    watching.cancel()
    for worker in workers:
        worker.kill()
    lost = [] if (0, 0) in store.rows else [(0, 0)]
    return Outcome(lost, [reason for worker in workers for reason in worker.reasons], False, ["standby"])


def run(seed: int, *, standby: bool = False) -> Outcome:
    """Play the schedule of a seed."""
    random.seed(seed)  # aiokafka draws random numbers of its own
    dice = random.Random(seed)
    lateness = Lateness(
        chance=dice.choice([0.0, 0.05, 0.3]),
        step=dice.choice([0.005, 0.1, 1.0]),
        request=dice.choice([0.002, 0.05, 0.5]),
    )
    loop = SimulatedLoop(lateness, dice)
    loop.set_task_factory(simulated_worker.task_factory)

    async def main() -> Outcome:
        cluster = Cluster(TOPIC, 1 if standby else dice.randint(1, 3), lateness, dice)
        client = client_of(cluster, simulated_worker.is_connected)
        with mock.patch.object(aiokafka_consumer, "AIOKafkaClient", client):
            try:
                return await (_standby if standby else _play)(cluster, dice)
            finally:
                for task in asyncio.all_tasks() - {asyncio.current_task()}:
                    task.cancel()
                await asyncio.sleep(5)

    with (
        mock.patch.object(time, "monotonic", loop.time),
        mock.patch.object(faust_consumer, "Thread", simulated_worker.SimulatedThread),
        mock.patch.object(lossless, "exit_now", simulated_worker.exit_now),
    ):
        asyncio.set_event_loop(loop)
        try:
            return loop.run_until_complete(main())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


@contextlib.contextmanager
def without(parts: Collection[str]) -> Iterator[None]:
    """Remove the code that prevents losses, so that the schedules can show that they find them."""

    def keep(thread: Any, assignment: Any, offsets: Any) -> None:
        """Keep the position after the dropped records, as Faust does for a partition without a commit."""

    async def trust(consumer: Any, at: Any, start: int, end: int, offsets: Any) -> None:
        """Treat every gap as harmless."""

    with contextlib.ExitStack() as patches:
        if "rewind" in parts:
            patches.enter_context(mock.patch.object(faust_thread.Thread, "rewind", keep))
        if "account" in parts:
            patches.enter_context(mock.patch.object(faust_consumer.LosslessConsumer, "account", trust))
        yield


@click.command()
@click.option("--first", default=0, help="The first seed.")
@click.option("--count", default=1_000, help="The number of seeds.")
@click.option("--without", "parts", default="", help="What to remove: rewind, account.")
@click.option("--standby", is_flag=True, help="Give one of two workers no partition for a long time instead.")
@click.option("--first-only", is_flag=True, help="Stop at the first bad outcome.")
def main(first: int, count: int, parts: str, standby: bool, first_only: bool) -> None:
    """Play the schedules of many seeds, and write each bad outcome as a line of JSON."""
    logging.disable(logging.CRITICAL)
    gc.freeze()
    gc.disable()  # garbage of dead workers is collected between the schedules, not in the middle of one
    with without(parts.split(",")):
        for seed in range(first, first + count):
            outcome = run(seed, standby=standby)
            gc.collect()
            if outcome.lost or outcome.ended or outcome.stood_still:
                click.echo(json.dumps({"seed": seed} | outcome._asdict()))
                if first_only:
                    break


if __name__ == "__main__":
    main()
