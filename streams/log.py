"""Logging to standard error, one line per event, as text or JSON; the contents of posts cannot forge lines."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from streams.settings import LogSettings
from streams.text.terminal import json_text, one_line

_CLIENT_LOGGERS = ("aiokafka", "kafka", "faust", "mode")
_CLIENT_QUIET_SECONDS = 10.0
_BUSY_LOGGER = "kafka.net.selector"  # warns whenever a busy machine delays it by a tenth of a second


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = f"{_time(record)} {record.levelname.lower():<7} {record.name}: {one_line(record.getMessage())}"
        if not record.exc_info:
            return line
        # Indented, so that no line of the traceback can be mistaken for a log line.
        return "\n    ".join([line, *map(one_line, self.formatException(record.exc_info).splitlines())])


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "at": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json_text(fields)


class RateLimit(logging.Filter):
    """A filter that passes one message per call site and period.

    During an outage a Kafka client logs the same message several times a second.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Set the length of the period in seconds."""
        super().__init__()
        self._seconds = seconds
        self._clock = clock
        self._last: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is the first of its call site in this period."""
        site, now = (record.pathname, record.lineno), self._clock()
        if now - self._last.get(site, float("-inf")) < self._seconds:
            return False
        self._last[site] = now
        return True


def configure(settings: LogSettings) -> None:
    """Set up the root logger; the Kafka clients log warnings and errors only, at a limited rate."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if settings.format == "json" else _Text())
    logging.basicConfig(level=settings.level, handlers=[handler], force=True)
    limit = RateLimit(_CLIENT_QUIET_SECONDS)
    handler.addFilter(lambda record: not record.name.startswith(_CLIENT_LOGGERS) or limit.filter(record))
    for name in _CLIENT_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger(_BUSY_LOGGER).setLevel(logging.ERROR)
