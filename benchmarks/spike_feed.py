"""Generates a feed as minutes, with rhythm, bursts, reposts and storms, from the model's labels of real posts."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.enricher import Enricher
from streams.contracts import Post
from streams.sample_day import sample_day

Counts = npt.NDArray[np.int64]
Dice = np.random.Generator

DAY = 1_440
STORM_MINUTES = 30
REPOSTED = 0.12
"""Share of the posts that are reposted, by two others on average, a quarter of an hour later on average."""
SWAY, SWAY_MINUTES = 0.35, 20.0
"""Standard deviation of the logarithm of the rate, and how long a burst lasts."""


@dataclass(frozen=True)
class Pool:
    """The model's labels of posts: whether it called them negative, for truly negative posts and for the others."""

    negative: npt.NDArray[np.bool_]
    others: npt.NDArray[np.bool_]
    source: str

    def true_share(self, seen: float) -> float:
        """Return the true share of negative posts for which the model sees the share `seen`."""
        hit, false = float(self.negative.mean()), float(self.others.mean())
        return min(1.0, max(0.0, (seen - false) / (hit - false)))


@dataclass(frozen=True)
class Feed:
    """Counts by minute: all posts and negative ones, both again without reposts and repeated texts, and new texts."""

    posts: Counts
    negative: Counts
    independent_posts: Counts
    independent_negative: Counts
    fresh: Counts
    fingerprints: Mapping[int, Mapping[str, bool]]
    """The texts that are copied without being marked as reposts, by minute, and whether they are negative."""


class Storm(NamedTuple):
    """A single text that is repeated over half an hour."""

    at: int
    posts: int
    negative: bool
    copied: bool
    """Copied by hand, so that nothing marks it as a repost."""


def load_pool(data: Path | None, cache: Path, posts: int) -> Pool:
    """Return the labels of the bundled model, computed once and then read from the cache."""
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
    """Return the rate over the day, 1 on average; at night, it is `night` times that of the busiest hour."""
    wave = np.sin((np.arange(minutes) / DAY - 0.3) * 2 * np.pi)
    course = np.exp(-np.log(night) / 2 * wave)
    rates: npt.NDArray[np.float64] = course / course[:DAY].mean()
    return rates


def bursts(minutes: int, dice: Dice) -> npt.NDArray[np.float64]:
    """Return a randomly fluctuating rate, 1 on average."""
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
    """Generate a feed with the given rate of posts and share that the model labels as negative, both by minute."""
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
    fingerprints: defaultdict[int, dict[str, bool]] = defaultdict(dict)
    for number, storm in enumerate(storms):
        shared = (storm.at + dice.beta(1.2, 3, storm.posts) * STORM_MINUTES).astype(int)
        fill = (len(minute) + number, storm.negative, not storm.copied)
        parts.append((shared, *(np.full(storm.posts, each) for each in fill)))
        if storm.copied:
            for at in shared.tolist():
                fingerprints[at][f"storm {number}"] = storm.negative
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
        independent_posts=count(voice),
        independent_negative=count(voice[negative_post[first]]),
        fresh=count(minute),
        fingerprints=fingerprints,
    )
