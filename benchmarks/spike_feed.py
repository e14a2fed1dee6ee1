"""A feed of posts as minutes, made of real posts that the shipped model has read: with rhythm, bursts, reposts and storms."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models import Enricher
from streams.contracts import Post
from streams.sample_day import sample_day

Counts = npt.NDArray[np.int64]
Dice = np.random.Generator

DAY = 1_440
STORM_MINUTES = 30
REPOSTED = 0.12
"""Part of the posts that is reposted, by two others on average, a quarter of an hour later on average."""
SWAY, SWAY_MINUTES = 0.35, 20.0
"""Standard deviation of the logarithm of the rate, and for how long a burst stays."""


@dataclass(frozen=True)
class Pool:
    """What the model said of posts: whether it called them negative, of the posts that are and of those that are not."""

    negative: npt.NDArray[np.bool_]
    others: npt.NDArray[np.bool_]
    source: str

    def true_share(self, seen: float) -> float:
        """The true share of negative posts of which the model sees this one."""
        miss, false = float(self.negative.mean()), float(self.others.mean())
        return min(1.0, max(0.0, (seen - false) / (miss - false)))


@dataclass(frozen=True)
class Feed:
    """Counts by minute: all posts, negative ones, the same without reposts and with each text of a minute once, and texts
    that are new."""

    posts: Counts
    negative: Counts
    voices: Counts
    negative_voices: Counts
    fresh: Counts
    said: Mapping[int, Mapping[str, bool]]
    """By minute the texts that are copied without the sign of a repost, and whether they are negative."""


class Storm(NamedTuple):
    """One text, again and again over half an hour."""

    at: int
    posts: int
    negative: bool
    copied: bool
    """By hand, so that nothing says that it is a repost."""


def load_pool(data: Path | None, cache: Path, posts: int) -> Pool:
    """Labels of the shipped model; computed once, then read from the cache."""
    texts, is_negative, source = _labelled(data, posts)
    enricher = Enricher.load()
    made_of = f"{len(texts)} posts of {source}, {enricher.name} {enricher.version}"
    if cache.exists():
        with np.load(cache) as stored:
            if str(stored["made_of"]) == made_of:
                return Pool(stored["negative"], stored["others"], source)
    seen = np.array([each.sentiment.label == "negative" for each in enricher.enrich(texts)])
    truth = seen if is_negative is None else np.array(is_negative)
    np.savez(cache, negative=seen[truth], others=seen[~truth], made_of=made_of)
    return Pool(seen[truth], seen[~truth], source)


def _labelled(data: Path | None, posts: int) -> tuple[list[str], list[bool] | None, str]:
    if data is None:
        texts = [message.text for message in sample_day() if isinstance(message, Post)]
        return texts[:posts], None, "the sample day"
    path = data / "semeval2017_4a" / "twitter-2016test-A.tsv"
    with path.open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE) if len(row) >= 3]
    rows = rows[:posts]
    return [row[2] for row in rows], [row[1] == "negative" for row in rows], path.name


def rhythm(minutes: int, night: float) -> npt.NDArray[np.float64]:
    """Over a day: 1 on average; the night has `night` times the posts of the busiest hour."""
    wave = np.sin((np.arange(minutes) / DAY - 0.3) * 2 * np.pi)
    course = np.exp(-np.log(night) / 2 * wave)
    rates: npt.NDArray[np.float64] = course / course[:DAY].mean()
    return rates


def bursts(minutes: int, dice: Dice) -> npt.NDArray[np.float64]:
    """A rate that sways by itself: 1 on average."""
    keep = np.exp(-1 / SWAY_MINUTES)
    steps = dice.normal(0, SWAY * np.sqrt(1 - keep**2), minutes)
    level = np.empty(minutes)
    now = 0.0
    for minute, step in enumerate(steps):
        now = keep * now + step
        level[minute] = now
    return np.exp(level - SWAY**2 / 2)


def make_feed(
    rate: npt.NDArray[np.float64],
    share: npt.NDArray[np.float64],
    pool: Pool,
    dice: Dice,
    storms: Sequence[Storm] = (),
) -> Feed:
    """Posts at a rate of which the model sees a share as negative."""
    minutes = len(rate)
    minute = np.repeat(np.arange(minutes), dice.poisson(rate / (1 + 2 * REPOSTED)))
    truth = np.array([pool.true_share(each) for each in np.unique(share)])[np.unique(share, return_inverse=True)[1]]
    is_negative = dice.random(len(minute)) < truth[minute]
    seen = np.where(is_negative, dice.choice(pool.negative, len(minute)), dice.choice(pool.others, len(minute)))
    text = np.arange(len(minute))
    copies = np.where(dice.random(len(minute)) < REPOSTED, dice.geometric(0.5, len(minute)), 0)
    origin = np.repeat(text, copies)
    later = minute[origin] + dice.exponential(15, len(origin)).astype(int)
    parts: list[tuple[npt.NDArray[Any], ...]] = [
        (minute, text, seen, np.zeros(len(minute), bool)),
        (later, origin, seen[origin], np.ones(len(origin), bool)),
    ]
    said: defaultdict[int, dict[str, bool]] = defaultdict(dict)
    for number, storm in enumerate(storms):
        shared = (storm.at + dice.beta(1.2, 3, storm.posts) * STORM_MINUTES).astype(int)
        fill = (len(minute) + number, storm.negative, not storm.copied)
        parts.append((shared, *(np.full(storm.posts, each) for each in fill)))
        if storm.copied:
            for at in shared.tolist():
                said[at][f"storm {number}"] = storm.negative
    when, which, negative_post, repost = (np.concatenate(column) for column in zip(*parts, strict=True))
    inside = when < minutes
    when, which, negative_post, repost = when[inside], which[inside], negative_post[inside], repost[inside]
    own = np.flatnonzero(~repost)
    first = own[np.unique(when[own] * (which.max() + 1) + which[own], return_index=True)[1]]

    def count(of: npt.NDArray[np.int64]) -> Counts:
        return np.bincount(of, minlength=minutes)

    voice = when[first]
    return Feed(
        posts=count(when),
        negative=count(when[negative_post]),
        voices=count(voice),
        negative_voices=count(voice[negative_post[first]]),
        fresh=count(minute),
        said=said,
    )
