"""Notifiers deliver spikes from the topic: one per target, each independent of the others."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from streams.contracts import Spike
from streams.delivery.alert_consumer import AlertBatch, AlertConsumer, Received
from streams.delivery.http import Poster
from streams.delivery.notice import key_of
from streams.delivery.report import Report
from streams.delivery.targets import AlertmanagerTarget, WebhookTarget
from streams.retry.backoff import Backoff, wait_for_event

LOOK_BACK = 2_000
"""Number of records before its offset that a webhook's notifier reads to know what it has delivered: a worker that was
killed may have written the same spike twice."""
_READ_SECONDS = 1.0
"""Maximum wait for spikes per read, and therefore the delay of a stop."""
_READ_AT_LEAST = 0.1
_KEYS = 5 * LOOK_BACK


class Notifier(Protocol):
    """Delivers spikes to one target; kept running by `Delivery`."""

    @property
    def name(self) -> str: ...

    @property
    def look_back(self) -> int: ...

    async def run(self, consumer: AlertConsumer) -> None:
        """Deliver spikes until asked to stop.

        Raises:
            aiokafka.errors.KafkaError: The topic cannot be read.
        """


class WebhookNotifier:
    """Delivers each message once and in order: retries until it is accepted or refused, then commits."""

    look_back = LOOK_BACK

    def __init__(
        self,
        target: WebhookTarget,
        poster: Poster,
        stopping: asyncio.Event,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._target = target
        self._poster = poster
        self._stopping = stopping
        self._backoff = Backoff(target.alerts.max_backoff_seconds, jitter)
        self._report = Report(target.name, target.place)
        self._delivered: dict[str, None] = {}

    @property
    def name(self) -> str:
        return self._target.name

    async def run(self, consumer: AlertConsumer) -> None:
        while not self._stopping.is_set():
            batch = await consumer.read(_READ_SECONDS)
            if not consumer.is_current:
                self._report.handed_over()
                continue
            if batch.fresh and not await self._catch_up(batch, consumer):
                continue
            for received in batch.spikes:
                if not await self._deliver(received, consumer):
                    break

    async def _catch_up(self, batch: AlertBatch, consumer: AlertConsumer) -> bool:
        """Process the history: a new webhook gets the open spikes, not all past ones."""
        undelivered = still_open(batch.history) if batch.first_time else []
        for received in batch.history:
            if received not in undelivered:
                self._remember(self._key(received.spike))
        for received in undelivered:
            if not await self._deliver(received, consumer, commit=False):
                return False
        if batch.first_time and not batch.spikes:
            await consumer.commit(await consumer.position())
        return True

    async def _deliver(self, received: Received, consumer: AlertConsumer, *, commit: bool = True) -> bool:
        """Deliver one spike; return False if this process should stop delivering."""
        spike, key = received.spike, self._key(received.spike)
        if not self._target.wants(spike) or key in self._delivered:
            if commit:
                await consumer.commit(received.offset + 1)
            return consumer.is_current
        self._backoff.reset()
        while consumer.is_current and not self._stopping.is_set():
            async with consumer.telling():
                answer = await self._target.send(self._poster, spike)
                self._report.answered(answer)
                if answer.outcome != "failed":
                    self._remember(key)
                    if commit:
                        await consumer.commit(received.offset + 1)
                    return True
            await wait_for_event(self._stopping, max(self._backoff.next(), answer.retry_after or 0.0))
        return False

    def _key(self, spike: Spike) -> str:
        return key_of(spike, self._target.run)

    def _remember(self, key: str) -> None:
        self._delivered[key] = None
        if len(self._delivered) > _KEYS:
            del self._delivered[next(iter(self._delivered))]


class AlertmanagerNotifier:
    """Sends the open spikes to Alertmanager, immediately after a change and again before the alerts would resolve.

    The committed offset is the lowest offset among the last messages of the open spikes, so that a restart reads these
    again. Sending an alert twice changes nothing in Alertmanager.
    """

    look_back = 0

    def __init__(
        self,
        target: AlertmanagerTarget,
        poster: Poster,
        stopping: asyncio.Event,
        jitter: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._target = target
        self._poster = poster
        self._stopping = stopping
        self._clock = clock
        self._backoff = Backoff(target.alerts.max_backoff_seconds, jitter)
        self._report = Report(target.name, target.place)
        self._open: dict[str, Received] = {}
        self._closed: dict[str, Spike] = {}
        self._changes = 0
        self._failing = False
        self._due = 0.0
        self._committed = -1

    @property
    def name(self) -> str:
        return self._target.name

    async def run(self, consumer: AlertConsumer) -> None:
        self._reset()
        while not self._stopping.is_set():
            batch = await consumer.read(min(max(_READ_AT_LEAST, self._due - self._clock()), _READ_SECONDS))
            if batch.fresh:
                self._reset()
            for received in batch.history:
                self._update(received)
            if batch.fresh:
                self._closed.clear()  # a new Alertmanager does not need past spikes
            for received in batch.spikes:
                self._update(received)
            if not consumer.is_current:
                self._report.handed_over()
                continue
            # read to the end first: a closed spike must not be sent as open again
            if not await consumer.is_at_end():
                continue
            if self._clock() >= self._due or (self._changes and not self._failing):
                await self._deliver(consumer)

    def _reset(self) -> None:
        self._open, self._closed, self._changes = {}, {}, 0
        self._due, self._committed = self._clock(), -1

    def _update(self, received: Received) -> None:
        spike = received.spike
        self._changes += 1
        if spike.state == "closed":
            self._open.pop(spike.id, None)
            self._closed[spike.id] = spike
        else:
            self._closed.pop(spike.id, None)
            self._open[spike.id] = received

    async def _deliver(self, consumer: AlertConsumer) -> None:
        spikes = [*(received.spike for received in self._open.values()), *self._closed.values()]
        async with consumer.telling():
            if spikes:
                answer = await self._target.send(self._poster, spikes)
                self._report.answered(answer, self._changes)
                if answer.outcome == "failed":
                    self._failing = True
                    self._due = self._clock() + max(self._backoff.next(), answer.retry_after or 0.0)
                    return
            self._failing = False
            self._backoff.reset()
            self._closed, self._changes = {}, 0
            self._due = self._clock() + self._target.alerts.resend_seconds
            position = min((received.offset for received in self._open.values()), default=await consumer.position())
            if position != self._committed:
                await consumer.commit(position)
                self._committed = position


def still_open(history: Sequence[Received]) -> list[Received]:
    """Return the first message of each spike that has not closed."""
    found: dict[str, Received] = {}
    for received in history:
        if received.spike.state == "closed":
            found.pop(received.spike.id, None)
        else:
            found.setdefault(received.spike.id, received)
    return list(found.values())


def notifiers(
    alertmanagers: Sequence[AlertmanagerTarget],
    webhooks: Sequence[WebhookTarget],
    poster: Poster,
    stopping: asyncio.Event,
) -> list[Notifier]:
    """Return a notifier for each target."""
    return [
        *(AlertmanagerNotifier(target, poster, stopping) for target in alertmanagers),
        *(WebhookNotifier(target, poster, stopping) for target in webhooks),
    ]
