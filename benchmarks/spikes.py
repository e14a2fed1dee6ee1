"""Negative spikes injected into a feed of re-drawn real posts: what is found, how fast, and what is raised for nothing.

`python benchmarks/spikes.py [--data DIR] [--seed N] [--json] [--plot FILE.png]`. The limit of the delay is that of Lorden: with one
false alarm a week, no detector needs less than ln(10,080) nats on average, and a post that is
no repost gives KL(share in the spike ‖ usual share).
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
"""Minutes after a spike in which its alarm still counts."""
AFTER = 45
"""Minutes after a spike in which an alarm counts for nothing."""
LIMIT_NATS = log(7 * DAY)
WEEK = 7 * DAY


@dataclass
class Found:
    """What one rule made of one spike."""

    rule: str
    rate: int
    rise: float
    minutes: int
    nats: float
    limit: float | None
    """Minutes; None where the spike holds less than the limit asks for."""
    delay: int | None


@dataclass
class Summary:
    """One rule."""

    rule: str
    recall: float
    recall_where_told: float
    """Of the spikes that hold twice the information that the threshold asks for."""
    precision: float
    delay: float
    limit: float
    delay_to_limit: float
    """Over the spikes that hold twice the information; the limit is at least the minute after which a minute is known."""
    false_a_week: dict[int, float]
    """On quiet days with rhythm, bursts, reposts and storms, by posts a minute."""
    raised_by_surges: float
    raised_by_storms: float


def divergence(one: float, other: float) -> float:
    """Kullback-Leibler, of two shares."""
    return one * log(one / other) + (1 - one) * log((1 - one) / (1 - other))


def spike_series(
    pool: Pool, rate: int, rise: float, repeats: int, seed: int
) -> tuple[Feed, list[tuple[int, int]], Any]:
    """A day to learn, then in each slot of eight hours a spike, and hours later a surge or a storm that means nothing."""
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
    """Days with quiet nights and a storm each, in which the mood never turns."""
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


def limit_of(feed: Feed, begin: int, end: int, nats_a_post: float) -> tuple[float, float | None]:
    """The information of a spike, and the minutes until it reaches the limit's."""
    told = np.cumsum(feed.fresh[begin:end]) * nats_a_post
    if told[-1] < LIMIT_NATS:
        return float(told[-1]), None
    minute = int(np.searchsorted(told, LIMIT_NATS))
    before = told[minute - 1] if minute else 0.0
    return float(told[-1]), minute + float((LIMIT_NATS - before) / (told[minute] - before))


class Bench:
    """Collects what every rule finds."""

    def __init__(self, pool: Pool, seed: int) -> None:
        self.pool, self.seed = pool, seed
        self.found: list[Found] = []
        self.false: dict[str, int] = defaultdict(int)
        self.innocent: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
        self.quiet: dict[str, dict[int, float]] = defaultdict(dict)

    def inject(self, rate: int, rise: float, repeats: int) -> None:
        """One cell of rate and rise, with spikes of every length."""
        feed, spikes, innocent = spike_series(self.pool, rate, rise, repeats, self.seed)
        nats = divergence(USUAL + rise, USUAL)
        for name, rule in RULES.items():
            alarms = rule(feed)
            for begin, end in spikes:
                told, limit = limit_of(feed, begin, end, nats)
                delay = next((alarm + 1 - begin for alarm in alarms if begin <= alarm < end + GRACE), None)
                self.found.append(Found(name, rate, rise, end - begin, told, limit, delay))
            for is_storm, spans in enumerate(innocent):
                hit = [any(begin <= alarm < end + GRACE for alarm in alarms) for begin, end in spans]
                self.innocent[name] += [(bool(is_storm), each) for each in hit]
            self.false[name] += sum(not any(begin <= alarm < end + AFTER for begin, end in spikes) for alarm in alarms)

    def rest(self, rate: int, days: int) -> None:
        """Quiet days."""
        feed = quiet_series(self.pool, rate, days, self.seed)
        for name, rule in RULES.items():
            self.quiet[name][rate] = len(rule(feed)) / (days * DAY / WEEK)

    def summary(self, rule: str) -> Summary:
        """One rule over all cells."""
        own = [each for each in self.found if each.rule == rule]
        told = [each for each in own if each.nats >= 2 * SENSITIVITIES["middle"].evidence]
        timed = [each for each in told if each.delay is not None and each.limit is not None]
        hits = sum(each.delay is not None for each in own)
        delays = _mean(each.delay or 0 for each in timed)
        limits = _mean(max(1.0, each.limit or 0) for each in timed)
        return Summary(
            rule=rule,
            recall=hits / len(own),
            recall_where_told=_mean(each.delay is not None for each in told),
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
    """By posts a minute, rise and length: recall, mean delay of what was found, and its limit."""
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
    """Recall against the information of a spike, and delay against the limit, of every rule."""
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
    left.set_title("spikes that are found")
    limits = np.geomspace(0.1, 90, 50)
    right.plot(limits, np.maximum(1, limits), color="black", label="limit of the mean, at a minute's end")
    right.set(xscale="log", yscale="log", xlabel="Lorden's limit (minutes)", ylabel="delay (minutes)")
    right.set_title("how soon: each dot is a spike")
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
@click.option("--posts", type=click.IntRange(100), default=5_000, show_default=True, help="Read by the model, once.")
@click.option("--seed", default=2, show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=8, show_default=True, help="Spikes a cell.")
@click.option("--days", type=click.IntRange(2), default=60, show_default=True, help="Quiet days.")
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
    """Inject spikes and count what is found."""
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
