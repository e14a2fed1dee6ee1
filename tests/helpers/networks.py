"""The networks on which the contract of a source is tested: a server of each that follows a plan, and its source."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from types import ModuleType
from typing import Any

from streams.settings import BlueskySettings, MastodonSettings, XSettings
from streams.sources.base import Source
from streams.sources.bluesky.source import BlueskySource
from streams.sources.live import Timing
from streams.sources.mastodon.source import MastodonSource
from streams.sources.x.source import XSource
from tests.helpers import jetstream, mastodon, x
from tests.helpers.http_server import Connection as HttpConnection

NOW = datetime(2026, 8, 1, 13, tzinfo=UTC)
CUT = "cut"
CUT_IN_MID_CHARACTER = "cut in mid-character"
DRIP = "a byte at a time"
STAY = "stay"
Step = int | bytes | str | Callable[[], bytes]
"""A post by its number, the bytes of a frame or a function that returns them when it is sent, or one of the four above."""


@dataclass(frozen=True)
class Refusal:
    """An HTTP status instead of a stream."""

    status: HTTPStatus
    headers: dict[str, str] = field(default_factory=dict)


Connection = Sequence[Step] | Refusal
Frame = Callable[[int, str], bytes]
"""Returns a frame with the post of this number and text."""


@dataclass
class Network:
    """A network for tests: how its server is started, and the source that listens to it."""

    name: str
    serve: Callable[..., AbstractAsyncContextManager[str]]
    make: Callable[..., Source]
    frame: Frame
    junk: bytes
    """A frame that cannot be parsed."""
    setting: str
    """The beginning of the setting that the error for a refusal names."""
    limit: dict[str, str]
    """The headers of a rate limit that ends 90 s after `NOW`."""


POLICE_CAR = "#poltwt \N{POLICE CAR}"
IN_MID_CHARACTER = len("#poltwt ") + 2


def acts(steps: Sequence[Step], server: ModuleType, frame: Frame, named: dict[str, Any]) -> list[Any]:
    """Return the acts of a network's server for these steps."""

    def act(step: Step) -> Any:
        if isinstance(step, str):
            return named[step]
        if not callable(step):
            return server.send(frame(step, "#poltwt") if isinstance(step, int) else step)

        async def send_current(connection: Any) -> None:
            await server.send(step())(connection)

        return send_current

    return [act(step) for step in steps]


def over_http(server: ModuleType, frame: bytes) -> dict[str, Any]:
    """Return the named acts of a network that streams over HTTP."""

    async def cut_in_mid_character(connection: HttpConnection) -> None:
        await connection.chunk(frame[: frame.index(b"#poltwt") + IN_MID_CHARACTER])
        connection.cut()

    async def drip(connection: HttpConnection) -> None:
        await connection.drip(frame)

    return {CUT: server.cut, CUT_IN_MID_CHARACTER: cut_in_mid_character, DRIP: drip, STAY: server.stay}


def bluesky_frame(number: int, text: str) -> bytes:
    return jetstream.frame(number, text=text)


def mastodon_frame(number: int, text: str) -> bytes:
    return mastodon.update(number, text=text)


def x_frame(number: int, text: str) -> bytes:
    return x.line(number, text=text)


@asynccontextmanager
async def serve_bluesky(*connections: Connection) -> AsyncIterator[str]:
    named = {
        CUT: jetstream.cut_in_mid_frame,
        CUT_IN_MID_CHARACTER: jetstream.cut_in_mid_character,
        DRIP: jetstream.drip,
        STAY: jetstream.stay,
    }
    plans: list[Any] = [
        (plan.status, "", plan.headers) if isinstance(plan, Refusal) else acts(plan, jetstream, bluesky_frame, named)
        for plan in connections
    ]
    async with jetstream.jetstream(*plans) as server:
        yield server.url


@asynccontextmanager
async def serve_mastodon(*connections: Connection) -> AsyncIterator[str]:
    named = over_http(mastodon, mastodon_frame(999, POLICE_CAR))
    plans: list[Any] = [
        (int(plan.status), plan.headers) if isinstance(plan, Refusal) else acts(plan, mastodon, mastodon_frame, named)
        for plan in connections
    ]
    accepted = [plan for plan in connections if not isinstance(plan, Refusal)]
    posted = {step: mastodon.status(step) for plan in accepted[:-1] for step in plan if isinstance(step, int)}
    async with mastodon.mastodon(*plans, missed=list(posted.values())) as server:
        yield server.url


@asynccontextmanager
async def serve_x(*connections: Connection) -> AsyncIterator[str]:
    named = over_http(x, x_frame(999, POLICE_CAR))
    plans: list[Any] = [
        (int(plan.status), b"{}", plan.headers) if isinstance(plan, Refusal) else acts(plan, x, x_frame, named)
        for plan in connections
    ]
    async with x.x(*plans) as server:
        yield server.url


def bluesky_source(url: str, silence: float, **options: Any) -> Source:
    return BlueskySource(
        BlueskySettings(url=url, urls="", profiles=False, silence_seconds=silence), ["poltwt"], **options
    )


def mastodon_source(url: str, silence: float, **options: Any) -> Source:
    settings = MastodonSettings(instances=url, tokens=mastodon.TOKEN, silence_seconds=silence)
    return MastodonSource(settings, ["poltwt"], **options)


def x_source(url: str, silence: float, **options: Any) -> Source:
    settings = XSettings(url=url, token=x.TOKEN, silence_seconds=silence, backfill_minutes=5)
    return XSource(settings, ["poltwt"], **options)


RESET = NOW + timedelta(seconds=90)
ALL = [
    Network(
        "bluesky",
        serve_bluesky,
        bluesky_source,
        bluesky_frame,
        junk=b"{junk #poltwt}",
        setting="TAGPULSE_BLUESKY__URL",
        limit={"Retry-After": "90"},
    ),
    Network(
        "mastodon",
        serve_mastodon,
        mastodon_source,
        mastodon_frame,
        junk=b"event: update\ndata: {junk\n\n",
        setting="TAGPULSE_MASTODON__",
        limit={"X_RateLimit_Reset": RESET.isoformat()},
    ),
    Network(
        "x",
        serve_x,
        x_source,
        x_frame,
        junk=b"{junk\n",
        setting="TAGPULSE_X__",
        limit={"X_Rate_Limit_Reset": str(int(RESET.timestamp()))},
    ),
]


class Pauses:
    """Pauses that take no time and are recorded."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


def make(
    network: Network, url: str, *, silence: float = 20, pauses: Pauses | None = None, cursor: str | None = None
) -> Source:
    return network.make(
        url,
        silence,
        cursor=cursor,
        timing=Timing(now=lambda: NOW, sleep=(pauses or Pauses()).sleep, jitter=lambda: 0.5),
    )
