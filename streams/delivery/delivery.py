"""Delivers spikes alongside a worker; a failing target never stops the worker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from aiokafka.errors import KafkaError

from streams.delivery.alert_consumer import AlertConsumer
from streams.delivery.http import Poster
from streams.delivery.notifiers import Notifier, notifiers
from streams.delivery.targets import AlertmanagerTarget, WebhookTarget, alertmanagers, webhooks
from streams.errors import TagpulseError, Unavailable
from streams.kafka import topics
from streams.retry.backoff import Backoff, wait_for_event
from streams.settings import LIVE, Settings

logger = logging.getLogger(__name__)

_MAX_BACKOFF_SECONDS = 15.0
_CLOSE_SECONDS = 5.0


class Delivery:
    """Delivers the spikes of `alerts.spikes` to every configured target.

    Call `run` alongside a worker, then `close`. Any number of workers may run a `Delivery`: each target's topic is
    assigned to one of them.
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
        """The names of the configured targets."""
        return [target.name for target in self._alertmanagers] + [target.name for target in self._webhooks]

    async def run(self) -> None:
        """Deliver until `close` is called or the task is cancelled; return at once if there is nothing to deliver.

        Errors are not raised, but logged, counted and retried.
        """
        settings = self._settings
        if not self.targets:
            logger.info(
                "spikes are not delivered: set TAGPULSE_ALERTS__ALERTMANAGER_URL or TAGPULSE_ALERTS__WEBHOOK_URL"
            )
            return
        if settings.run != LIVE and not settings.alerts.replays:
            logger.info("spikes of the replay %s are not delivered: set TAGPULSE_ALERTS__REPLAYS=true", settings.run)
            return
        poster = Poster(settings.alerts.timeout_seconds)
        running = notifiers(self._alertmanagers, self._webhooks, poster, self._stopping)
        logger.info("delivering spikes to %s", ", ".join(self.targets))
        try:
            self._tasks = [asyncio.create_task(self._keep_running(notifier)) for notifier in running]
            await asyncio.gather(*self._tasks)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await poster.close()
            self._done.set()

    async def close(self, seconds: float = _CLOSE_SECONDS) -> None:
        """Wait up to `seconds` for deliveries in progress; the rest is delivered after the next start."""
        self._stopping.set()
        if not self._tasks:
            return
        await wait_for_event(self._done, seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _check_topic(self) -> None:
        """Check that the topic exists: a consumer would make the broker create it with default settings.

        Raises:
            Unavailable: The topic does not exist, or Kafka cannot be reached.
            Refused: Kafka refuses the credentials or rights.
        """
        topic = self._settings.topics.alerts
        if topic in await asyncio.to_thread(topics.missing, self._settings):
            raise Unavailable(f"the topic {topic} does not exist: run `tagpulse topics create`")

    async def _keep_running(self, notifier: Notifier) -> None:
        backoff = Backoff(_MAX_BACKOFF_SECONDS)
        while not self._stopping.is_set():
            consumer = AlertConsumer(self._settings, notifier.name, notifier.look_back)
            try:
                await self._check_topic()
                await consumer.start()
                await notifier.run(consumer)
            except (KafkaError, OSError, TagpulseError) as error:
                logger.warning("%s: cannot read the spikes: %s; trying again", notifier.name, error or repr(error))
            except Exception:
                logger.exception("%s: internal error; trying again", notifier.name)
            finally:
                with contextlib.suppress(KafkaError, OSError):
                    await consumer.stop()
            await wait_for_event(self._stopping, backoff.next())
