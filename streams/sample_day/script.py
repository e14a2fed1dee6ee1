"""The script of the sample day: which scenes happen when, and the text of the key posts."""

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
"""Start and end of the only wave of anger."""


class Scene(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kind of post, and its distribution over the day."""

    name: str
    voice: Literal["police", "citizen"]
    posts: Mapping[str, int]
    """Number of posts by language; `other` applies to every language not named."""
    rhythm: tuple[tuple[time, float], ...]
    """Weights at times of the day (UTC), interpolated linearly; 0 before the first and after the last."""
    emoji: tuple[str, ...] = ()
    emoji_share: float = 0.0
    tails: Tail | None = None
    """The kind of sentences that may follow a phrase."""
    tail_share: float = 0.0
    media: Literal["image", "video"] | None = None
    media_share: float = 0.0
    shared: float = 0.0
    """Scale of the weight of each post among all posts that may be reposted; posts of weight 0 are not reposted."""
    liked: float = 2.0
    """Scale of the number of likes of each post."""
    replies_to: str | None = None
    """The scene whose posts are replied to."""
    reply_share: float = 0.0
    mentions: str | None = None
    """The police account used for `{police}`, if it is always the same one."""
    answered: float = 0.0
    """For scenes of questions: the share that the police answer."""


class Moment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A post whose text is fixed in the script."""

    at: time
    scene: str
    language: str
    author: str
    text: str
    media: Literal["image", "video"] | None = None
    shared: float = 0.0
    liked: float = 50.0


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The script of a day: its moments and scenes, and its number of reposts, deletions and edits."""

    reposts: int
    deletions: int
    edits: int
    moment: tuple[Moment, ...]
    scene: tuple[Scene, ...]


def load_script() -> Script:
    """Load the script from the package."""
    return msgspec.toml.decode(files(__package__).joinpath("script.toml").read_bytes(), type=Script)


def on_the_day(at: time) -> datetime:
    """Return the moment at this time (UTC) of the sample day."""
    return datetime.combine(START.date(), at, tzinfo=UTC)


def minute_weights(rhythm: tuple[tuple[time, float], ...]) -> list[float]:
    """Return a weight for each minute between START and END, interpolated linearly."""
    points = [(on_the_day(at), weight) for at, weight in rhythm]
    weights = []
    for minute in range(int((END - START) / timedelta(minutes=1))):
        now = START + timedelta(minutes=minute, seconds=30)
        weights.append(
            next(
                (
                    before + (after - before) * ((now - start) / (end - start))
                    for (start, before), (end, after) in pairwise(points)
                    if start <= now < end
                ),
                0.0,
            )
        )
    return weights
