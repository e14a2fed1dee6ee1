"""Measures the cost of campaign topics compared with the model: `python benchmarks/topics.py [--json]`."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import click
import numpy as np
from model import DATA, invented_posts, real_posts
from rows import Row, show

from models.artefact import open_artefact
from models.campaign import CampaignMatcher, CampaignTopic
from models.enricher import Enricher

POSTS = 1_024
TOPICS = (1, 10, 50)
EXAMPLES = 4
ROUNDS = 9


def fastest(call: Callable[[], object], rounds: int) -> float:
    """Return the microseconds per post in the fastest of several rounds."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return 1e6 * min(took) / POSTS


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per row.")
def main(as_json: bool) -> None:
    """Measure the microseconds per post for topics made from random posts; the ratio is the model's time divided by it."""
    posts = real_posts(DATA, POSTS) if DATA.is_dir() else invented_posts(POSTS)
    calibration = open_artefact(None).labels.campaign
    enricher = Enricher.load(cache_size=0)
    enricher.enrich(posts[:64])
    model = fastest(partial(enricher.enrich, posts), 1)
    vectors = enricher.vectors(posts)
    random = np.random.default_rng(0)
    rows = []
    for number in TOPICS:
        topics = [CampaignTopic(name=str(each), examples=("",) * EXAMPLES) for each in range(number)]
        matcher = CampaignMatcher(topics, lambda _: vectors[random.choice(POSTS, EXAMPLES, replace=False)], calibration)
        cost = fastest(partial(matcher.match, vectors), ROUNDS)
        rows.append(Row(f"{number} campaign topics", cost, "µs", "the model", model, model / cost))
    show(rows, "campaign topics", as_json=as_json)


if __name__ == "__main__":
    main()
