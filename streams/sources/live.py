"""What the sources of live networks have in common."""

from __future__ import annotations

import logging
from datetime import datetime

from streams import metrics
from streams.contracts import Gap

logger = logging.getLogger(__name__)


def report_gap(source: str, origin: str, reason: str, *, since: datetime | None, now: datetime) -> Gap:
    """Counts and logs a gap that cannot be filled, and gives the record of it."""
    metrics.GAPS.labels(source).inc()
    began = "unknown" if since is None else since.isoformat(timespec="seconds")
    logger.error("gap in the feed of %s since %s: %s; what was posted meanwhile may be missing", origin, began, reason)
    return Gap(source=source, origin=origin, reason=reason[:500], found_at=now, since=since)


def show_behind(source: str, made_at: datetime, now: datetime) -> None:
    """Tells how far the source is behind the network, by the network's own clock."""
    metrics.SOURCE_BEHIND.labels(source).set(max(0.0, (now - made_at).total_seconds()))
