"""Injects negative spikes into a feed of resampled real posts and measures detections, delays and false alarms.

`python benchmarks/spikes.py [--data DIR] [--seed N] [--json] [--plot FILE.png]`. The lower bound of the delay is Lorden's: with
one false alarm a week, every detector needs at least ln(10,080) nats on average, and a post that is not a repost gives
KL(share in the spike ‖ usual share).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import log
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from spike_feed import DAY, STORM_MINUTES, Feed, Pool, Storm, bursts, load_pool, make_feed, rhythm
from spike_rules import RULES

from streams.spikes.sensitivity import SENSITIVITIES

USUAL = 0.22
RATES = (3, 12, 40, 100)
RISES = (0.1, 0.2, 0.3, 0.4)
MINUTES = (5, 15, 30, 60, 90)
QUIET_RATES = (3, 12, 60)
SLOT = 8 * 60
SURGE, SURGE_MINUTES = 5.0, 30
GRACE = 5
"""Minutes after a spike in which an alarm still counts as its detection."""
AFTER = 45
"""Minutes after a spike in which an alarm is not counted as false."""
LIMIT_NATS = log(7 * DAY)
WEEK = 7 * DAY


@dataclass
class Found:
    """The result of one rule for one spike."""

    rule: str
    rate: int
    rise: float
    minutes: int
    nats: float
    limit: float | None
    """In minutes; None if the spike has less information than the bound requires."""
    delay: int | None


@dataclass
class Summary:
    """The results of one rule."""

    rule: str
    recall: float
    recall_where_told: float
    """For the spikes with at least twice the information that the threshold requires."""
    precision: float
    delay: float
    limit: float
    delay_to_limit: float
    """For the same spikes; the bound is at least one minute because a minute is known only after its end."""
    false_a_week: dict[int, float]
    """On quiet days with rhythm, bursts, reposts and storms, by posts a minute."""
    raised_by_surges: float
    raised_by_storms: float


def divergence(one: float, other: float) -> float:
    """Return the Kullback-Leibler divergence of two shares, in nats."""
    return one * log(one / other) + (1 - one) * log((1 - one) / (1 - other))


def spike_series(
    pool: Pool, rate: int, rise: float, repeats: int, seed: int
) -> tuple[Feed, list[tuple[int, int]], Any]:
    """Generate a day for learning, then slots of eight hours, each with a spike and, hours later, a harmless surge or storm.

    Returns:
        The feed; the first minute and the end of each spike; the same for the surges and for the storms.
    """
    dice = np.random.default_rng([seed, rate, round(rise * 100)])
    lengths = dice.permutation(np.repeat(MINUTES, repeats))
    total = DAY + SLOT * len(lengths)
    rates = rate * rhythm(total, 0.5) * bursts(total, dice)
    share = np.full(total, USUAL)
    spikes, surges, storms = [], [], []
    for number, length in enumerate(lengths):
        at = DAY + number * SLOT + int(dice.integers(30, 90))
        share[at : at + length] += rise
        spikes.append((at, int(at + length)))
        calm = at + 240
        if number % 2:
            rates[calm : calm + SURGE_MINUTES] *= SURGE
            surges.append((calm, calm + SURGE_MINUTES))
        else:
            storms.append(Storm(calm, 40 + 6 * rate, bool(dice.random() < 0.5), copied=number % 4 == 0))
    feed = make_feed(rates, share, pool, dice, storms)
    return feed, spikes, (surges, [(storm.at, storm.at + STORM_MINUTES) for storm in storms])


def quiet_series(pool: Pool, rate: int, days: int, seed: int) -> Feed:
    """Generate days with quiet nights and one storm each, in which the mood never changes."""
    dice = np.random.default_rng([seed, rate, 7])
    total = days * DAY
    storms = [
        Storm(
            day * DAY + int(dice.integers(0, DAY - STORM_MINUTES)),
            40 + 6 * rate,
            bool(dice.random() < USUAL),
            copied=day % 2 == 0,
        )
        for day in range(days)
    ]
    rates = rate * rhythm(total, 0.05) * bursts(total, dice)
    return make_feed(rates, np.full(total, USUAL), pool, dice, storms)


def limit_of(feed: Feed, start: int, end: int, nats_per_post: float) -> tuple[float, float | None]:
    """Return the information of a spike, in nats, and the minutes until it reaches that of Lorden's bound (None: never)."""
    nats = np.cumsum(feed.fresh[start:end]) * nats_per_post
    if nats[-1] < LIMIT_NATS:
        return float(nats[-1]), None
    minute = int(np.searchsorted(nats, LIMIT_NATS))
    before = nats[minute - 1] if minute else 0.0
    return float(nats[-1]), minute + float((LIMIT_NATS - before) / (nats[minute] - before))


class Bench:
    """The results of every rule."""

    def __init__(self, pool: Pool, seed: int) -> None:
        self.pool, self.seed = pool, seed
        self.found: list[Found] = []
        self.false: dict[str, int] = defaultdict(int)
        self.innocent: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
        self.quiet: dict[str, dict[int, float]] = defaultdict(dict)

    def inject(self, rate: int, rise: float, repeats: int) -> None:
        """Inject spikes of every length at one rate and one rise."""
        feed, spikes, innocent = spike_series(self.pool, rate, rise, repeats, self.seed)
        nats_per_post = divergence(USUAL + rise, USUAL)
        for name, rule in RULES.items():
            alarms = rule(feed)
            for start, end in spikes:
                nats, limit = limit_of(feed, start, end, nats_per_post)
                delay = next((alarm + 1 - start for alarm in alarms if start <= alarm < end + GRACE), None)
                self.found.append(Found(name, rate, rise, end - start, nats, limit, delay))
            for is_storm, spans in enumerate(innocent):
                hit = [any(start <= alarm < end + GRACE for alarm in alarms) for start, end in spans]
                self.innocent[name] += [(bool(is_storm), each) for each in hit]
            self.false[name] += sum(not any(start <= alarm < end + AFTER for start, end in spikes) for alarm in alarms)

    def rest(self, rate: int, days: int) -> None:
        """Run every rule on quiet days."""
        feed = quiet_series(self.pool, rate, days, self.seed)
        for name, rule in RULES.items():
            self.quiet[name][rate] = len(rule(feed)) / (days * DAY / WEEK)

    def summary(self, rule: str) -> Summary:
        """Summarise the results of one rule."""
        own = [each for each in self.found if each.rule == rule]
        clear = [each for each in own if each.nats >= 2 * SENSITIVITIES["middle"].evidence]
        timed = [each for each in clear if each.delay is not None and each.limit is not None]
        hits = sum(each.delay is not None for each in own)
        delays = _mean(each.delay or 0 for each in timed)
        limits = _mean(max(1.0, each.limit or 0) for each in timed)
        return Summary(
            rule=rule,
            recall=hits / len(own),
            recall_where_told=_mean(each.delay is not None for each in clear),
            precision=hits / max(1, hits + self.false[rule]),
            delay=delays,
            limit=limits,
            delay_to_limit=delays / limits if timed else float("nan"),
            false_a_week=self.quiet[rule],
            raised_by_surges=_mean(hit for is_storm, hit in self.innocent[rule] if not is_storm),
            raised_by_storms=_mean(hit for is_storm, hit in self.innocent[rule] if is_storm),
        )


def _mean(values: Iterable[float]) -> float:
    listed = [float(value) for value in values]
    return sum(listed) / len(listed) if listed else float("nan")


def cells(found: list[Found], rule: str) -> list[dict[str, Any]]:
    """Return recall, mean delay of the detected spikes and its lower bound by posts a minute, rise and length."""
    grouped: dict[tuple[int, float, int], list[Found]] = defaultdict(list)
    for each in found:
        if each.rule == rule:
            grouped[each.rate, each.rise, each.minutes].append(each)
    return [
        {
            "rate": rate,
            "rise": rise,
            "minutes": minutes,
            "spikes": len(group),
            "nats": round(_mean(each.nats for each in group), 1),
            "recall": round(_mean(each.delay is not None for each in group), 3),
            "delay": round(_mean(each.delay for each in group if each.delay is not None), 2),
            "limit": round(_mean(max(1.0, each.limit) for each in group if each.limit is not None), 2),
        }
        for (rate, rise, minutes), group in sorted(grouped.items())
    ]


def plot(found: list[Found], path: Path) -> None:
    """Plot recall against the information of a spike, and delay against the lower bound, for every rule."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 5))
    edges = np.geomspace(1, 2_000, 12)
    for rule in RULES:
        own = [each for each in found if each.rule == rule]
        place = np.digitize([each.nats for each in own], edges)
        recall = [
            _mean(own[index].delay is not None for index in np.flatnonzero(place == bin_))
            for bin_ in range(1, len(edges))
        ]
        left.plot(np.sqrt(edges[1:] * edges[:-1]), recall, marker="o", label=rule)
        timed = [each for each in own if each.delay is not None and each.limit is not None]
        right.scatter([each.limit for each in timed], [each.delay for each in timed], s=8, alpha=0.4, label=rule)
    left.axvline(2 * SENSITIVITIES["middle"].evidence, color="grey", linestyle=":", label="twice the threshold")
    left.set(xscale="log", xlabel="information of the spike (nats)", ylabel="recall", ylim=(-0.02, 1.02))
    left.set_title("spikes found")
    limits = np.geomspace(0.1, 90, 50)
    right.plot(limits, np.maximum(1, limits), color="black", label="lower bound of the mean, at a minute's end")
    right.set(xscale="log", yscale="log", xlabel="Lorden's bound (minutes)", ylabel="delay (minutes)")
    right.set_title("delay of each spike")
    for axis in (left.xaxis, right.xaxis, right.yaxis):
        axis.set_major_formatter("{x:g}")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of labelled posts.")
@click.option("--cache", type=click.Path(dir_okay=False, path_type=Path), default=Path("spikes-labels.npz"))
@click.option(
    "--posts",
    type=click.IntRange(100),
    default=5_000,
    show_default=True,
    help="Number of posts that the model reads, once.",
)
@click.option("--seed", default=2, show_default=True)
@click.option(
    "--repeats", type=click.IntRange(1), default=8, show_default=True, help="Spikes of each rate, rise and length."
)
@click.option("--days", type=click.IntRange(2), default=60, show_default=True, help="Number of quiet days.")
@click.option("--json", "as_json", is_flag=True)
@click.option("--plot", "plot_path", type=click.Path(dir_okay=False, path_type=Path))
def main(
    data: Path | None,
    cache: Path,
    posts: int,
    seed: int,
    repeats: int,
    days: int,
    as_json: bool,
    plot_path: Path | None,
) -> None:
    """Inject spikes and count the detections."""
    pool = load_pool(data, cache, posts)
    bench = Bench(pool, seed)
    for rate in RATES:
        for rise in RISES:
            bench.inject(rate, rise, repeats)
    for rate in QUIET_RATES:
        bench.rest(rate, days)
    summaries = [bench.summary(rule) for rule in RULES]
    if plot_path is not None:
        plot(bench.found, plot_path)
    by_cell = cells(bench.found, "tagpulse")
    if as_json:
        print(json.dumps({"pool": pool.source, "seed": seed, "rules": [*map(asdict, summaries)], "cells": by_cell}))
        return
    _show(summaries, by_cell, pool)


def _show(summaries: list[Summary], by_cell: list[dict[str, Any]], pool: Pool) -> None:
    table = Table("", *(each.rule for each in summaries), title=f"negative spikes in posts of {pool.source}")
    for name in ("recall", "recall_where_told", "precision", "raised_by_surges", "raised_by_storms"):
        table.add_row(name.replace("_", " "), *(f"{getattr(each, name):.3f}" for each in summaries))
    for name in ("delay", "limit", "delay_to_limit"):
        table.add_row(name.replace("_", " "), *(f"{getattr(each, name):.2f}" for each in summaries))
    for rate in summaries[0].false_a_week:
        row = (f"{each.false_a_week[rate]:.2f}" for each in summaries)
        table.add_row(f"false alarms a week, {rate} posts a minute", *row)
    console = Console(width=120)
    console.print(table)
    grid = Table("posts a minute", "rise", *(f"{minutes} min" for minutes in MINUTES), title="recall, delay/limit")
    for rate in RATES:
        for rise in RISES:
            chosen = [cell for cell in by_cell if (cell["rate"], cell["rise"]) == (rate, rise)]
            grid.add_row(
                str(rate), f"{rise:.0%}", *(f"{c['recall']:.2f}  {c['delay']:.1f}/{c['limit']:.1f}" for c in chosen)
            )
    console.print(grid)


if __name__ == "__main__":
    main()
