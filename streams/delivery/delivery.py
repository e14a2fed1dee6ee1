"""Delivers spikes beside a worker: whatever happens to a target, the worker goes on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from aiokafka.errors import KafkaError

from streams.backoff import Backoff
from streams.delivery.alert_consumer import AlertConsumer
from streams.delivery.http import Poster
from streams.delivery.notifiers import Notifier, notifiers
from streams.delivery.targets import AlertmanagerTarget, WebhookTarget, alertmanagers, webhooks
from streams.errors import TagpulseError, Unavailable
from streams.kafka import topics
from streams.settings import LIVE, Settings

logger = logging.getLogger(__name__)

_MAX_BACKOFF_SECONDS = 15.0
_CLOSE_SECONDS = 5.0


class Delivery:
    """From `alerts.spikes` to every target of the settings.

    `run` beside a worker, then `close`. Any number of workers may run one: of each target one of them has the topic.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._alertmanagers: Sequence[AlertmanagerTarget] = alertmanagers(settings)
        self._webhooks: Sequence[WebhookTarget] = webhooks(settings)
        self._stopping = asyncio.Event()
        self._done = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def targets(self) -> list[str]:
        """Their names."""
        return [target.name for target in self._alertmanagers] + [target.name for target in self._webhooks]

    async def run(self) -> None:
        """Delivers until `close` is called or it is cancelled; returns at once where nothing is to be delivered.

        Raises nothing: what goes wrong is logged, counted and tried again.
        """
        settings = self._settings
        if not self.targets:
            logger.info("spikes are delivered nowhere: set TAGPULSE_ALERTS__ALERTMANAGER_URL or __WEBHOOK_URL")
            return
        if settings.run != LIVE and not settings.alerts.replays:
            logger.info("spikes of the replay %s are delivered nowhere: TAGPULSE_ALERTS__REPLAYS", settings.run)
            return
        poster = Poster(settings.alerts.timeout_seconds)
        running = notifiers(self._alertmanagers, self._webhooks, poster, self._stopping)
        logger.info("spikes are delivered to %s", ", ".join(self.targets))
        try:
            self._tasks = [asyncio.create_task(self._keep_running(courier)) for courier in running]
            await asyncio.gather(*self._tasks)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await poster.close()
            self._done.set()

    async def close(self, seconds: float = _CLOSE_SECONDS) -> None:
        """Lets what is being told be finished; what is not told within `seconds` is told after the next start."""
        self._stopping.set()
        if not self._tasks:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._done.wait(), seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _find_topic(self) -> None:
        """A consumer would have the broker make it, as it makes all. Raises Unavailable, Refused."""
        topic = self._settings.topics.alerts
        if topic in await asyncio.to_thread(topics.missing, self._settings):
            raise Unavailable(f"no topic {topic}: run `tagpulse topics create`")

    async def _keep_running(self, courier: Notifier) -> None:
        backoff = Backoff(_MAX_BACKOFF_SECONDS)
        while not self._stopping.is_set():
            inbox = AlertConsumer(self._settings, courier.name, courier.look_back)
            try:
                await self._find_topic()
                await inbox.start()
                await courier.run(inbox)
            except (KafkaError, OSError, TagpulseError) as error:
                logger.warning("%s: the spikes cannot be read: %s; trying again", courier.name, error or repr(error))
            except Exception:
                logger.exception("%s: a fault of tagpulse; trying again", courier.name)
            finally:
                with contextlib.suppress(KafkaError, OSError):
                    await inbox.stop()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), backoff.next())
