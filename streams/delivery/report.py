"""Reports on a target: metrics for each response, and a log line when its state changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from streams import metrics
from streams.delivery.http import Response

logger = logging.getLogger(__name__)


class Report:
    """Logs once when a target fails or refuses, and once when it recovers."""

    def __init__(self, target: str, place: str, clock: Callable[[], float] = time.time) -> None:
        self._target = target
        self._place = place
        self._clock = clock
        self._logged_outcome = ""
        metrics.ALERT_TARGET_FAILING.labels(target).set(0)

    def answered(self, answer: Response, messages: int = 1) -> None:
        """Record the response to an attempt to deliver `messages` new messages (0: open alerts were only resent)."""
        metrics.ALERT_TARGET_FAILING.labels(self._target).set(answer.outcome != "delivered")
        if answer.outcome == "failed":
            metrics.ALERT_RETRIES.labels(self._target).inc()
            self._log_change(logging.WARNING, answer, "does not accept alerts; retrying until it does, nothing is lost")
            return
        if messages:
            metrics.ALERT_DELIVERIES.labels(self._target, answer.outcome).inc(messages)
        if answer.outcome == "refused":
            self._log_change(
                logging.ERROR,
                answer,
                "refuses alerts: fix its address, secret or format; refused alerts are counted and not sent again",
            )
            return
        metrics.ALERT_LAST_SUCCESS.labels(self._target).set(self._clock())
        if self._logged_outcome:
            logger.warning("%s (%s) accepts alerts again", self._target, self._place)
            self._logged_outcome = ""

    def handed_over(self) -> None:
        """Clear the failing metric: another worker has the topic now and reports on the target."""
        metrics.ALERT_TARGET_FAILING.labels(self._target).set(0)

    def _log_change(self, level: int, answer: Response, message: str) -> None:
        if self._logged_outcome != answer.outcome:
            self._logged_outcome = answer.outcome
            logger.log(level, "%s (%s) %s (%s)", self._target, self._place, message, answer.detail)
