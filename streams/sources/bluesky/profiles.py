"""Looks up the labels on Bluesky accounts, which the feed does not contain, at a profile server."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec

from streams import metrics
from streams.contracts import Deletion, Post
from streams.retry.backoff import Backoff
from streams.settings import BlueskySettings
from streams.sources.base import Content
from streams.sources.bluesky.jetstream import SOURCE
from streams.sources.bluesky.posts import NOT_FOR_US
from streams.sources.http import TRANSIENT_ERRORS, BadResponse, Client
from streams.sources.live import Timing
from streams.sources.recently_seen import RecentlySeen
from streams.sources.untyped import dicts, mapping, string, time

logger = logging.getLogger(__name__)

_ENDPOINT = "/xrpc/app.bsky.actor.getProfiles"
_HIDING = NOT_FOR_US | {"!hide", "!takedown", "!suspend"}
_MAX_ACTORS = 25  # the endpoint refuses requests for more
_DID = re.compile(r"did:[a-z]+:[A-Za-z0-9._:%-]{0,280}[A-Za-z0-9._-]")
"""A single name in any other form would make the server refuse the whole request."""
MAX_QUEUED = 50_000
"""Maximum number of accounts that wait for their lookup."""
_REMEMBERED_BYTES = 24 * 2**20
_MAX_ANSWER_BYTES = 2**20
_REMEMBERED_SECONDS = 3_600.0


class _Verdict(NamedTuple):
    is_hidden: bool
    until: float
    """Time by the clock at which the verdict expires and is looked up again."""


class ProfileLabels:
    """Filters out posts of hidden authors; lookups run in the background while the `async with` block runs.

    A post waits for the lookup of its authors only while the server responds in time. Otherwise it is passed on, the
    lookup is repeated until it succeeds, and `on_hidden` is called with every author who turns out to be hidden.
    """

    def __init__(
        self,
        settings: BlueskySettings,
        on_hidden: Callable[[str], None],
        timing: Timing,
    ) -> None:
        self._url = settings.profiles_url
        self._client = Client(self._url)
        self._seconds = settings.profiles_seconds
        self._on_hidden = on_hidden
        self._timing = timing
        self._backoff = Backoff(settings.max_backoff_seconds, timing.jitter)
        self._verdicts = RecentlySeen[str, _Verdict](_REMEMBERED_BYTES)
        self._queued: OrderedDict[str, bool] = OrderedDict()
        """Accounts to look up, and whether any of their posts were passed on."""
        self._is_unavailable = False
        """Whether the server fails, or is too slow to wait for."""
        self._batch_size = _MAX_ACTORS
        self._changed = asyncio.Condition()
        self._filtered = metrics.FILTERED.labels(SOURCE)
        self._unscreened = metrics.UNSCREENED.labels(SOURCE)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        self._lookups = asyncio.create_task(self._run_lookups())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lookups.cancel()
        await asyncio.gather(self._lookups, return_exceptions=True)
        await self._client.__aexit__(kind, error, traceback)

    def would_wait(self, contents: list[Content]) -> bool:
        """Return whether `screen` would wait for a lookup."""
        return not self._is_unavailable and any(
            not self._has_verdict(did) for content in contents for did in _authors(content)
        )

    async def screen(self, contents: list[Content]) -> list[Content]:
        """Return the contents without posts of hidden authors, after a short wait at most."""
        if self._lookups.done():
            self._lookups.result()
        unknown = {did for content in contents for did in _authors(content) if not self._has_verdict(did)}
        if unknown:
            async with self._changed:
                for did in unknown:
                    self._enqueue(did)
                self._changed.notify_all()
            if not self._is_unavailable:
                await self._wait_for_verdicts(unknown)
        return [kept for content in contents if (kept := self._screen_one(content)) is not None]

    def _has_verdict(self, did: str) -> bool:
        verdict = self._verdicts.get(did)
        return verdict is not None and self._timing.clock() < verdict.until

    def _enqueue(self, did: str) -> None:
        last = self._verdicts.get(did)
        self._queued.setdefault(did, last is not None and not last.is_hidden)
        if len(self._queued) > MAX_QUEUED:
            self._queued.popitem(last=False)
            metrics.LOOKUPS.labels(SOURCE, "given_up").inc()

    async def _wait_for_verdicts(self, dids: set[str]) -> None:
        try:
            async with asyncio.timeout(self._seconds), self._changed:
                await self._changed.wait_for(
                    lambda: self._is_unavailable or not any(did in self._queued for did in dids)
                )
        except TimeoutError:
            self._mark_unavailable(f"no response within {self._seconds:g} s")

    def _screen_one(self, content: Content) -> Content | None:
        dids = _authors(content)
        if not isinstance(content, Post) or not dids:
            return content
        # an expired verdict is better than none
        if any(verdict.is_hidden for did in dids if (verdict := self._verdicts.get(did)) is not None):
            self._filtered.inc()
            # the post that was edited may have been passed on by an earlier process
            edited_at = content.edited_at
            return None if edited_at is None else Deletion(source=SOURCE, id=content.id, deleted_at=edited_at)
        if unanswered := [did for did in dids if not self._has_verdict(did)]:
            self._queued.update((did, True) for did in unanswered if did in self._queued)
            self._unscreened.inc()
        return content

    async def _run_lookups(self) -> None:
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._queued)
            dids = list(islice(self._queued, self._batch_size))
            began = self._timing.clock()
            try:
                hidden = await self._look_up(dids)
            except (BadResponse, *TRANSIENT_ERRORS) as error:
                metrics.LOOKUPS.labels(SOURCE, "failed").inc()
                asked = error.reset_seconds(self._timing.now()) if isinstance(error, BadResponse) else 0.0
                async with self._changed:
                    self._mark_unavailable(str(error) or repr(error))
                    self._changed.notify_all()
                # one of these may be what makes the server fail: look up the others first, one by one
                self._batch_size = 1
                for did in dids:
                    if did in self._queued:
                        self._queued.move_to_end(did)
                await self._timing.sleep(max(self._backoff.next(), asked))
            else:
                metrics.LOOKUPS.labels(SOURCE, "answered").inc()
                self._backoff.reset()
                self._batch_size = _MAX_ACTORS
                async with self._changed:
                    self._store_verdicts(dids, hidden)
                    if self._is_unavailable and not self._queued and self._timing.clock() - began <= self._seconds:
                        self._is_unavailable = False
                        logger.info("%s responds in time again", self._url)
                    self._changed.notify_all()

    async def _look_up(self, dids: list[str]) -> set[str]:
        actors = [("actors", did) for did in dids]
        answer = await self._client.ask("GET", self._url + _ENDPOINT, params=actors, limit=_MAX_ANSWER_BYTES)
        hidden = hidden_accounts(answer, self._timing.now())
        if hidden is None:
            raise BadResponse(200, {}, b"no profiles in the response")
        return hidden

    def _store_verdicts(self, dids: list[str], hidden: set[str]) -> None:
        until = self._timing.clock() + _REMEMBERED_SECONDS
        for did in dids:
            is_hidden = did in hidden
            self._verdicts.add(did, _Verdict(is_hidden, until))
            if self._queued.pop(did, False) and is_hidden:
                self._on_hidden(did)

    def _mark_unavailable(self, why: str) -> None:
        if not self._is_unavailable:
            logger.warning(
                "%s: %s: posts are passed on before their authors' labels are known, and deleted later if necessary; "
                "if this persists, check TAGPULSE_BLUESKY__PROFILES_URL",
                self._url,
                why,
            )
        self._is_unavailable = True


def hidden_accounts(answer: bytes, now: datetime) -> set[str] | None:
    """Return the accounts in a response that must not be shown, or None if it is not a response of the endpoint."""
    try:
        profiles = mapping(msgspec.json.decode(answer)).get("profiles")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(profiles, list):
        return None
    return {
        string(profile.get("did"))
        for profile in dicts(profiles)
        if any(_hides(label, now) for label in dicts(profile.get("labels")))
    }


def _hides(label: dict[str, Any], now: datetime) -> bool:
    expires = time(label.get("exp"))
    is_active = label.get("neg") is not True and (expires is None or expires > now)
    return is_active and string(label.get("val")) in _HIDING


def _authors(content: Content) -> list[str]:
    """Return the accounts whose labels count: the author and, for a repost, the author of the original."""
    if not isinstance(content, Post):
        return []
    names = [content.author or "", (content.repost_of or "").partition("/")[0]]
    return [name for name in names if _DID.fullmatch(name)]
