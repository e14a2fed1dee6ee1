"""The course of the sample day: which scenes are played when, and the few posts that everything turns on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from importlib.resources import files
from itertools import pairwise
from typing import Literal

import msgspec

from streams.sample_day.phrases import Tail

START = datetime(2026, 6, 20, 8, tzinfo=UTC)
END = datetime(2026, 6, 20, 20, tzinfo=UTC)
SPIKE = (datetime(2026, 6, 20, 15, 40, tzinfo=UTC), datetime(2026, 6, 20, 16, 0, tzinfo=UTC))
"""Begin and end of the one wave of anger."""


class Scene(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kind of post with its place in the day."""

    name: str
    voice: Literal["police", "citizen"]
    posts: Mapping[str, int]
    """How many, by language; `other` for each language not named."""
    rhythm: tuple[tuple[time, float], ...]
    """Weights at moments of the day (UTC), joined by straight lines; nothing before the first and after the last."""
    emoji: tuple[str, ...] = ()
    emoji_share: float = 0.0
    tails: Tail | None = None
    """The sentences that may follow a phrase."""
    tail_share: float = 0.0
    media: Literal["image", "video"] | None = None
    media_share: float = 0.0
    shared: float = 0.0
    """Weight of each post among all that may be reposted."""
    liked: float = 2.0
    replies_to: str | None = None
    """The scene whose posts it answers."""
    reply_share: float = 0.0
    mentions: str | None = None
    """The police account meant by `{police}`, when it is always the same one."""
    answered: float = 0.0
    """For scenes of questions: the share that the police answer."""


class Moment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A post that stands in the script word for word."""

    at: time
    scene: str
    language: str
    author: str
    text: str
    media: Literal["image", "video"] | None = None
    shared: float = 0.0
    liked: float = 50.0


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reposts: int
    deletions: int
    edits: int
    moment: tuple[Moment, ...]
    scene: tuple[Scene, ...]


def load_script() -> Script:
    """The script that travels with the package."""
    return msgspec.toml.decode(files(__package__).joinpath("script.toml").read_bytes(), type=Script)


def on_the_day(at: time) -> datetime:
    return datetime.combine(START.date(), at, tzinfo=UTC)


def minute_weights(rhythm: tuple[tuple[time, float], ...]) -> list[float]:
    """One weight for each minute between START and END."""
    points = [(on_the_day(at), weight) for at, weight in rhythm]
    weights = []
    for minute in range(int((END - START) / timedelta(minutes=1))):
        now = START + timedelta(minutes=minute, seconds=30)
        weights.append(
            next(
                (
                    before + (after - before) * ((now - begin) / (end - begin))
                    for (begin, before), (end, after) in pairwise(points)
                    if begin <= now < end
                ),
                0.0,
            )
        )
    return weights
