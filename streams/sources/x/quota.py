"""How many posts the plan still allows in this month."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

import msgspec

from streams import metrics
from streams.sources import http
from streams.sources.untyped import mapping, string
from streams.sources.x.tweet import SOURCE

logger = logging.getLogger(__name__)

_ASK_SECONDS = 900.0
_MAX_ANSWER_BYTES = 2**20


class Quota:
    """Counts what was read; now and then X is asked, which knows what else of the project reads posts."""

    def __init__(self, own_limit: int | None, clock: Callable[[], float], now: Callable[[], datetime]) -> None:
        """`own_limit`: of posts in a month, whatever the plan allows."""
        self._own_limit = own_limit
        self._clock = clock
        self._now = now
        self._asked_at: float | None = None
        self._answered: tuple[int, int] | None = None
        """Used and allowed, as X said last."""
        self._since = 0
        """Posts read since then."""
        self._month = ""
        self._read = 0
        self._refusal: str | None = None
        """X's words when it gave no more, until it says otherwise."""
        self._asking = asyncio.Lock()

    @property
    def state(self) -> tuple[str, int]:
        """The month, and how many posts were read in it: for the cursor."""
        return self._month, self._read

    def restore(self, month: str, read: int) -> None:
        """Goes on counting from what a cursor held."""
        self._month, self._read = month, read

    def count(self) -> None:
        """A post was read."""
        self._turn()
        self._read += 1
        self._since += 1
        self._show()

    @property
    def exhausted(self) -> str | None:
        """Why no more posts may be read in this month, None when they may."""
        self._turn()
        if self._own_limit is not None and self._read >= self._own_limit:
            return f"{self._read} posts were read in {self._month}: the limit is TAGPULSE_X__MONTHLY_POSTS"
        if self._answered is not None and self._answered[0] + self._since >= self._answered[1]:
            return f"the plan's {self._answered[1]} posts of this month are read"
        return None if self._refusal is None else f"the plan has no posts left in this month, X says: {self._refusal}"

    def refuse(self, words: str) -> None:
        """X says that there are no more."""
        self._refusal = words

    async def ask(self, client: http.Client, base: str, headers: dict[str, str]) -> None:
        """Asks X, unless it was asked shortly before. What it cannot tell is no trouble: the stream will."""
        async with self._asking:
            if self._asked_at is None or self._clock() - self._asked_at >= _ASK_SECONDS:
                self._asked_at = self._clock()
                await self._ask(client, base, headers)

    async def _ask(self, client: http.Client, base: str, headers: dict[str, str]) -> None:
        self._refusal = None  # without an answer only the stream can tell whether it still holds
        try:
            told = await client.ask("GET", f"{base}/2/usage/tweets", headers=headers, limit=_MAX_ANSWER_BYTES)
            answer = mapping(msgspec.json.decode(told))
        except (http.BadAnswer, msgspec.DecodeError, UnicodeDecodeError, RecursionError, *http.TROUBLE) as error:
            logger.info("X does not tell how many posts were read in this month: %s", error)
            self._answered = None
            return
        data = mapping(answer.get("data"))
        used, allowed = _number(data.get("project_usage")), _number(data.get("project_cap"))
        self._answered = (used, allowed) if used is not None and allowed else None
        self._since = 0
        self._show()

    def _turn(self) -> None:
        month = f"{self._now():%Y-%m}"
        if month != self._month:
            self._month, self._read, self._refusal = month, 0, None

    def _show(self) -> None:
        used = self._read if self._answered is None else self._answered[0] + self._since
        limits = [
            limit for limit in (self._own_limit, self._answered[1] if self._answered else None) if limit is not None
        ]
        metrics.QUOTA_USED.labels(SOURCE).set(used)
        if limits:
            metrics.QUOTA_LIMIT.labels(SOURCE).set(min(limits))


def _number(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = string(value)
    return int(text[:18]) if text.isascii() and text.isdigit() else None
