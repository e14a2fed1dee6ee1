"""Tracks how many posts the plan still allows in the current month."""

from __future__ import annotations

import asyncio
import logging

import msgspec

from streams import metrics
from streams.sources import http
from streams.sources.live import Timing
from streams.sources.untyped import mapping, string
from streams.sources.x.tweet import SOURCE

logger = logging.getLogger(__name__)

_ASK_SECONDS = 900.0
_MAX_ANSWER_BYTES = 2**20


class Quota:
    """Counts the posts read here, and from time to time asks X for the usage of the whole project."""

    def __init__(self, own_limit: int | None, timing: Timing) -> None:
        """Start without a count.

        Args:
            own_limit: Limit of posts per month, besides that of the plan; None: only the plan limits.
            timing: Its wall clock determines the month.
        """
        self._own_limit = own_limit
        self._timing = timing
        self._asked_at: float | None = None
        self._usage: tuple[int, int] | None = None
        """Used and allowed posts in X's last answer."""
        self._read_since = 0
        """Posts read since X's last answer."""
        self._month = ""
        self._read = 0
        self._refusal: str | None = None
        """X's message when it refused more posts, until X is asked again."""
        self._asking = asyncio.Lock()

    @property
    def state(self) -> tuple[str, int]:
        """The month and the number of posts read in it, for the cursor."""
        return self._month, self._read

    def restore(self, month: str, read: int) -> None:
        """Continue from the state in a cursor."""
        self._month, self._read = month, read

    def count(self) -> None:
        """Count a post."""
        self._start_new_month()
        self._read += 1
        self._read_since += 1
        self._update_metrics()

    @property
    def exhausted(self) -> str | None:
        """Why no more posts can be read this month, or None if they can."""
        self._start_new_month()
        if self._own_limit is not None and self._read >= self._own_limit:
            return f"{self._read} posts were read in {self._month}, which is the limit of TAGPULSE_X__MONTHLY_POSTS"
        if self._usage is not None and self._usage[0] + self._read_since >= self._usage[1]:
            return f"all {self._usage[1]} posts that the plan allows this month were read"
        return None if self._refusal is None else f"the plan has no posts left this month; X says: {self._refusal}"

    def refuse(self, message: str) -> None:
        """Record that X refuses more posts, with its message."""
        self._refusal = message

    async def ask(self, client: http.Client, base: str, headers: dict[str, str]) -> None:
        """Ask X for the usage, unless it was asked recently; errors are harmless since the stream shows a limit."""
        async with self._asking:
            if self._asked_at is None or self._timing.clock() - self._asked_at >= _ASK_SECONDS:
                self._asked_at = self._timing.clock()
                await self._fetch_usage(client, base, headers)

    async def _fetch_usage(self, client: http.Client, base: str, headers: dict[str, str]) -> None:
        self._refusal = None  # without an answer, only the stream can show whether it still applies
        try:
            body = await client.ask("GET", f"{base}/2/usage/tweets", headers=headers, limit=_MAX_ANSWER_BYTES)
            answer = mapping(msgspec.json.decode(body))
        except (
            http.BadResponse,
            msgspec.DecodeError,
            UnicodeDecodeError,
            RecursionError,
            *http.TRANSIENT_ERRORS,
        ) as error:
            logger.info("the number of posts read this month cannot be fetched from X: %s", error)
            self._usage = None
            return
        data = mapping(answer.get("data"))
        used, allowed = _number(data.get("project_usage")), _number(data.get("project_cap"))
        self._usage = (used, allowed) if used is not None and allowed else None
        self._read_since = 0
        self._update_metrics()

    def _start_new_month(self) -> None:
        month = f"{self._timing.now():%Y-%m}"
        if month != self._month:
            self._month, self._read, self._refusal = month, 0, None

    def _update_metrics(self) -> None:
        used = self._read if self._usage is None else self._usage[0] + self._read_since
        limits = [limit for limit in (self._own_limit, self._usage[1] if self._usage else None) if limit is not None]
        metrics.QUOTA_USED.labels(SOURCE).set(used)
        if limits:
            metrics.QUOTA_LIMIT.labels(SOURCE).set(min(limits))


def _number(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = string(value)
    return int(text[:18]) if text.isascii() and text.isdigit() else None
