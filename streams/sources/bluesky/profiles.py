"""Labels on accounts of Bluesky. The feed does not hold them, so that a server of profiles is asked for each author."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec

from streams import metrics
from streams.backoff import Backoff
from streams.contracts import Deletion, Post
from streams.settings import BlueskySettings
from streams.sources.base import Content
from streams.sources.bluesky.jetstream import SOURCE
from streams.sources.bluesky.posts import NOT_FOR_US
from streams.sources.http import TROUBLE, BadAnswer, Client
from streams.sources.recently_seen import RecentlySeen
from streams.sources.untyped import dicts, mapping, string, time

logger = logging.getLogger(__name__)

_ENDPOINT = "/xrpc/app.bsky.actor.getProfiles"
_HIDING = NOT_FOR_US | {"!hide", "!takedown", "!suspend"}
_ACTORS = 25  # a request for more is refused
_DID = re.compile(r"did:[a-z]+:[A-Za-z0-9._:%-]{0,280}[A-Za-z0-9._-]")
"""One name in another form would have the server refuse the whole request."""
_WAITING = 50_000
_REMEMBERED_BYTES = 24 * 2**20
_MAX_ANSWER_BYTES = 2**20
_REMEMBERED_SECONDS = 3_600.0


class _Verdict(NamedTuple):
    is_hidden: bool
    until: float
    """By the clock; then it is asked for anew."""


class Profiles:
    """Leaves out posts of hidden authors; asks in the background while its `async with` block runs.

    A post waits for the answer only while answers come in time. Otherwise it is passed on, its authors are asked for
    until there is an answer, and `on_hidden` is told of those who are hidden after all.
    """

    def __init__(
        self,
        settings: BlueskySettings,
        on_hidden: Callable[[str], None],
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        jitter: Callable[[], float],
    ) -> None:
        self._url = settings.profiles_url
        self._client = Client(self._url)
        self._seconds = settings.profiles_seconds
        self._on_hidden = on_hidden
        self._now = now
        self._clock = clock
        self._sleep = sleep
        self._backoff = Backoff(settings.max_backoff_seconds, jitter)
        self._verdicts = RecentlySeen[str, _Verdict](_REMEMBERED_BYTES)
        self._wanted: OrderedDict[str, bool] = OrderedDict()
        """Accounts to ask for, and whether posts of theirs were passed on."""
        self._is_away = False
        """The server fails, or is too slow to wait for."""
        self._at_once = _ACTORS
        self._changed = asyncio.Condition()
        self._filtered = metrics.FILTERED.labels(SOURCE)
        self._unscreened = metrics.UNSCREENED.labels(SOURCE)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        self._asking = asyncio.create_task(self._ask_on())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._asking.cancel()
        await asyncio.gather(self._asking, return_exceptions=True)
        await self._client.__aexit__(kind, error, traceback)

    def would_wait(self, contents: list[Content]) -> bool:
        """Whether a post among them waits for an answer."""
        return not self._is_away and any(not self._knows(did) for content in contents for did in _authors(content))

    async def screen(self, contents: list[Content]) -> list[Content]:
        """The same without posts of hidden authors, after a short wait at most."""
        if self._asking.done():
            self._asking.result()
        unknown = {did for content in contents for did in _authors(content) if not self._knows(did)}
        if unknown:
            async with self._changed:
                for did in unknown:
                    self._want(did)
                self._changed.notify_all()
            if not self._is_away:
                await self._wait_for(unknown)
        return [kept for content in contents if (kept := self._screened(content)) is not None]

    def _knows(self, did: str) -> bool:
        verdict = self._verdicts.get(did)
        return verdict is not None and self._clock() < verdict.until

    def _want(self, did: str) -> None:
        last = self._verdicts.get(did)
        self._wanted.setdefault(did, last is not None and not last.is_hidden)
        if len(self._wanted) > _WAITING:
            self._wanted.popitem(last=False)
            metrics.LOOKUPS.labels(SOURCE, "given_up").inc()

    async def _wait_for(self, dids: set[str]) -> None:
        try:
            async with asyncio.timeout(self._seconds), self._changed:
                await self._changed.wait_for(lambda: self._is_away or not any(did in self._wanted for did in dids))
        except TimeoutError:
            self._lose(f"no answer within {self._seconds:g} s")

    def _screened(self, content: Content) -> Content | None:
        dids = _authors(content)
        if not isinstance(content, Post) or not dids:
            return content
        # an answer that is too old is better than none
        if any(verdict.is_hidden for did in dids if (verdict := self._verdicts.get(did)) is not None):
            self._filtered.inc()
            # what an edit changes may have been passed on by an earlier process
            edited_at = content.edited_at
            return None if edited_at is None else Deletion(source=SOURCE, id=content.id, deleted_at=edited_at)
        if unanswered := [did for did in dids if not self._knows(did)]:
            self._wanted.update((did, True) for did in unanswered if did in self._wanted)
            self._unscreened.inc()
        return content

    async def _ask_on(self) -> None:
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._wanted)
            dids = list(islice(self._wanted, self._at_once))
            began = self._clock()
            try:
                hidden = await self._ask(dids)
            except (BadAnswer, *TROUBLE) as error:
                metrics.LOOKUPS.labels(SOURCE, "failed").inc()
                asked = error.reset_seconds(self._now()) if isinstance(error, BadAnswer) else 0.0
                async with self._changed:
                    self._lose(str(error) or repr(error))
                    self._changed.notify_all()
                # it may be one of these that the server fails on: the others come first, and one by one
                self._at_once = 1
                for did in dids:
                    if did in self._wanted:
                        self._wanted.move_to_end(did)
                await self._sleep(max(self._backoff.next(), asked))
            else:
                metrics.LOOKUPS.labels(SOURCE, "answered").inc()
                self._backoff.reset()
                self._at_once = _ACTORS
                async with self._changed:
                    self._settle(dids, hidden)
                    if self._is_away and not self._wanted and self._clock() - began <= self._seconds:
                        self._is_away = False
                        logger.info("%s answers in time again", self._url)
                    self._changed.notify_all()

    async def _ask(self, dids: list[str]) -> set[str]:
        actors = [("actors", did) for did in dids]
        answer = await self._client.ask("GET", self._url + _ENDPOINT, params=actors, limit=_MAX_ANSWER_BYTES)
        hidden = hidden_in(answer, self._now())
        if hidden is None:
            raise BadAnswer(200, {}, b"no profiles in the answer")
        return hidden

    def _settle(self, dids: list[str], hidden: set[str]) -> None:
        until = self._clock() + _REMEMBERED_SECONDS
        for did in dids:
            is_hidden = did in hidden
            self._verdicts.add(did, _Verdict(is_hidden, until))
            if self._wanted.pop(did, False) and is_hidden:
                self._on_hidden(did)

    def _lose(self, why: str) -> None:
        if not self._is_away:
            logger.warning(
                "%s: %s: posts are passed on before the labels on their authors are known, and deleted later if need be; "
                "if it lasts, check TAGPULSE_BLUESKY__PROFILES_URL",
                self._url,
                why,
            )
        self._is_away = True


def hidden_in(answer: bytes, now: datetime) -> set[str] | None:
    """The accounts that an answer marks as not to be shown; None: it is no answer of the endpoint."""
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
    stands = label.get("neg") is not True and (expires is None or expires > now)
    return stands and string(label.get("val")) in _HIDING


def _authors(content: Content) -> list[str]:
    """Those whose labels count: of a repost also who wrote the original."""
    if not isinstance(content, Post):
        return []
    names = [content.author or "", (content.repost_of or "").partition("/")[0]]
    return [name for name in names if _DID.fullmatch(name)]
