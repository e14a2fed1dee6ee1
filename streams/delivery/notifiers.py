"""Takes spikes from the topic to a target, for ever: one courier a target, none waits for another."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from streams.backoff import Backoff
from streams.contracts import Spike
from streams.delivery.alert_consumer import AlertBatch, AlertConsumer, Received
from streams.delivery.http import Poster
from streams.delivery.notice import key_of
from streams.delivery.report import Report
from streams.delivery.targets import AlertmanagerTarget, WebhookTarget

LOOK_BACK = 2_000
"""A webhook's courier reads so many records before its position, to know what it told: a worker that was killed may
have written the same spike twice."""
_READ_SECONDS = 1.0
"""A stop waits so long at most for spikes that do not come."""
_READ_AT_LEAST = 0.1
_KEYS = 5 * LOOK_BACK


class Notifier(Protocol):
    """What `Delivery` keeps running."""

    @property
    def name(self) -> str: ...

    @property
    def look_back(self) -> int: ...

    async def run(self, inbox: AlertConsumer) -> None:
        """Until it is told to stop. Raises aiokafka's errors."""


class WebhookNotifier:
    """Tells each message once, in order: tried until it is taken or refused, and then committed."""

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
        self._told: dict[str, None] = {}

    @property
    def name(self) -> str:
        return self._target.name

    async def run(self, inbox: AlertConsumer) -> None:
        while not self._stopping.is_set():
            batch = await inbox.read(_READ_SECONDS)
            if not inbox.is_current:
                self._report.handed_over()
                continue
            if batch.fresh and not await self._begin(batch, inbox):
                continue
            for received in batch.spikes:
                if not await self._tell(received, inbox):
                    break

    async def _begin(self, batch: AlertBatch, inbox: AlertConsumer) -> bool:
        """A webhook that is new hears of the spikes that are open, not of all that ever were."""
        news = still_open(batch.history) if batch.first_time else []
        for received in batch.history:
            if received not in news:
                self._remember(self._key(received.spike))
        for received in news:
            if not await self._tell(received, inbox, commit=False):
                return False
        if batch.first_time and not batch.spikes:
            await inbox.commit(await inbox.position())
        return True

    async def _tell(self, received: Received, inbox: AlertConsumer, *, commit: bool = True) -> bool:
        """False when it is not for this process to tell any more."""
        spike, key = received.spike, self._key(received.spike)
        if not self._target.wants(spike) or key in self._told:
            if commit:
                await inbox.commit(received.offset + 1)
            return inbox.is_current
        self._backoff.reset()
        while inbox.is_current and not self._stopping.is_set():
            async with inbox.telling():
                answer = await self._target.send(self._poster, spike)
                self._report.answered(answer)
                if answer.outcome != "failed":
                    self._remember(key)
                    if commit:
                        await inbox.commit(received.offset + 1)
                    return True
            await _sleep(max(self._backoff.next(), answer.retry_after or 0.0), self._stopping)
        return False

    def _key(self, spike: Spike) -> str:
        return key_of(spike, self._target.run)

    def _remember(self, key: str) -> None:
        self._told[key] = None
        if len(self._told) > _KEYS:
            del self._told[next(iter(self._told))]


class AlertmanagerNotifier:
    """Tells Alertmanager which spikes are open, at once when that changes and again before they would resolve.

    The committed position is that of the oldest open spike's last message, so that a restart reads exactly the open ones
    again. What Alertmanager hears twice changes nothing there.
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
        self._over: dict[str, Spike] = {}
        self._news = 0
        self._failing = False
        self._due = 0.0
        self._committed = -1

    @property
    def name(self) -> str:
        return self._target.name

    async def run(self, inbox: AlertConsumer) -> None:
        self._forget()
        while not self._stopping.is_set():
            batch = await inbox.read(min(max(_READ_AT_LEAST, self._due - self._clock()), _READ_SECONDS))
            if batch.fresh:
                self._forget()
            for received in batch.history:
                self._take(received)
            if batch.fresh:
                self._over.clear()  # an Alertmanager that is new need not hear of all that ever was
            for received in batch.spikes:
                self._take(received)
            if not inbox.is_current:
                self._report.handed_over()
                continue
            # read to its end first: a spike that is over must not be told as open once more
            if not await inbox.is_at_end():
                continue
            if self._clock() >= self._due or (self._news and not self._failing):
                await self._tell(inbox)

    def _forget(self) -> None:
        self._open, self._over, self._news = {}, {}, 0
        self._due, self._committed = self._clock(), -1

    def _take(self, received: Received) -> None:
        spike = received.spike
        self._news += 1
        if spike.state == "closed":
            self._open.pop(spike.id, None)
            self._over[spike.id] = spike
        else:
            self._over.pop(spike.id, None)
            self._open[spike.id] = received

    async def _tell(self, inbox: AlertConsumer) -> None:
        spikes = [*(received.spike for received in self._open.values()), *self._over.values()]
        async with inbox.telling():
            if spikes:
                answer = await self._target.send(self._poster, spikes)
                self._report.answered(answer, self._news)
                if answer.outcome == "failed":
                    self._failing = True
                    self._due = self._clock() + max(self._backoff.next(), answer.retry_after or 0.0)
                    return
            self._failing = False
            self._backoff.reset()
            self._over, self._news = {}, 0
            self._due = self._clock() + self._target.alerts.resend_seconds
            position = min((received.offset for received in self._open.values()), default=await inbox.position())
            if position != self._committed:
                await inbox.commit(position)
                self._committed = position


def still_open(history: Sequence[Received]) -> list[Received]:
    """The first messages of the spikes that did not close."""
    found: dict[str, Received] = {}
    for received in history:
        if received.spike.state == "closed":
            found.pop(received.spike.id, None)
        else:
            found.setdefault(received.spike.id, received)
    return list(found.values())


async def _sleep(seconds: float, stopping: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)


def notifiers(
    alertmanagers: Sequence[AlertmanagerTarget],
    webhooks: Sequence[WebhookTarget],
    poster: Poster,
    stopping: asyncio.Event,
) -> list[Notifier]:
    """One for each target."""
    return [
        *(AlertmanagerNotifier(target, poster, stopping) for target in alertmanagers),
        *(WebhookNotifier(target, poster, stopping) for target in webhooks),
    ]
