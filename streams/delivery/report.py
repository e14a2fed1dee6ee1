"""What is said about a target: figures for each answer, and a line of the log when its state changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from streams import metrics
from streams.delivery.http import Response

logger = logging.getLogger(__name__)


class Report:
    """A target that is away or refuses is told once, and once more when it is back."""

    def __init__(self, target: str, place: str, clock: Callable[[], float] = time.time) -> None:
        self._target = target
        self._place = place
        self._clock = clock
        self._trouble = ""
        metrics.ALERT_TARGET_FAILING.labels(target).set(0)

    def answered(self, answer: Response, messages: int = 1) -> None:
        """Takes note of an answer to an attempt to tell so many messages; none: what was told is told once more."""
        metrics.ALERT_TARGET_FAILING.labels(self._target).set(answer.outcome != "delivered")
        if answer.outcome == "failed":
            metrics.ALERT_RETRIES.labels(self._target).inc()
            self._tell(logging.WARNING, answer, "does not take alerts; trying until it does, nothing is lost")
            return
        if messages:
            metrics.ALERT_DELIVERIES.labels(self._target, answer.outcome).inc(messages)
        if answer.outcome == "refused":
            self._tell(
                logging.ERROR, answer, "refuses alerts: mend its address, secret or form; they are counted and left"
            )
            return
        metrics.ALERT_LAST_SUCCESS.labels(self._target).set(self._clock())
        if self._trouble:
            logger.warning("%s (%s) takes alerts again", self._target, self._place)
            self._trouble = ""

    def handed_over(self) -> None:
        """Another worker has the topic: whether the target takes alerts is for its figures to say."""
        metrics.ALERT_TARGET_FAILING.labels(self._target).set(0)

    def _tell(self, level: int, answer: Response, what: str) -> None:
        if self._trouble != answer.outcome:
            self._trouble = answer.outcome
            logger.log(level, "%s (%s) %s (%s)", self._target, self._place, what, answer.detail)
