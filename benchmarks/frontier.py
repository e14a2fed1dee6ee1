"""Measures the cost of a layer: `python benchmarks/frontier.py --work FOLDER [--layers 12 --layers 9 …] [--json]`.

Builds models of several depths from the encoder in the work folder of a training (`python -m models train encoder`, then
`vocabulary`), with untrained heads: neither speed nor size depends on what a model has learnt. Run it on an idle machine.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click
import numpy as np
from model import DATA, POSTS, measure, real_posts
from rows import Row, show

from models.artefact import CampaignCalibration
from models.heads import HEADS
from models.training import export, recipe, rounding
from models.training.commands import Work
from models.training.export import Calibrated
from models.training.graph import GraphHead
from models.training.network import LOW_LAYERS, MultiHeadNetwork
from models.training.targets import label_names
from models.training.thresholds import Thresholds

LAYERS = (12, 9, 6)
WARM_UP_TEXTS = 256


def untrained(work: Work, network: MultiHeadNetwork) -> Calibrated:
    """Return untrained heads of the sizes that the graph of a network needs."""
    rng, width = np.random.default_rng(0), work.config.hidden_size
    low = width * len(LOW_LAYERS)
    features = {"low": low, "words": low, "means": low + width}
    exits = network.heads[str(max(network.sizes.exits))]
    heads = {}
    for name, head in HEADS.items():
        columns = len(label_names(head, work.rows)) or width
        inputs = exits[name].linear.weight.shape[1] if head.reads == "tokens" else 0
        inputs += features[head.fitted.features] if head.fitted else 0
        heads[name] = GraphHead(rng.normal(size=(columns, inputs)).astype(np.float32), np.zeros(columns, np.float32))
    thresholds = {
        name: Thresholds(np.zeros(len(heads[name].bias), np.float32))
        for name, head in HEADS.items()
        if head.kind == "several"
    }
    return Calibrated(
        heads=heads,
        thresholds=thresholds,
        sentiment_prior={},
        language_threshold=0.0,
        campaign=CampaignCalibration(slope=1.0, intercept=0.0),
        scores={},
    )


def build(work: Work, depth: int, folder: Path) -> int:
    """Write a model with `depth` layers to a folder and return its size in bytes."""
    network = work.network((depth,))
    calibrated = untrained(work, network)
    texts = [work.tokens[place] for place in rounding.calibration(work.rows, recipe.SEED)[:WARM_UP_TEXTS].tolist()]
    model = export.build(network, work.config, calibrated.heads, rounding.measure(network, texts))
    labels = export.labels(work.rows, recipe.NAME, f"{depth} layers, untrained", calibrated)
    export.write(model, work.tokenizer, labels, {}, [], folder)
    return sum(path.stat().st_size for path in folder.iterdir())


@click.command()
@click.option(
    "--work", "folder", required=True, type=click.Path(path_type=Path, exists=True), help="Work folder of a training."
)
@click.option(
    "--data", default=DATA.parent, type=click.Path(path_type=Path), help="Folder with the training data sets."
)
@click.option("--layers", multiple=True, type=click.IntRange(max(LOW_LAYERS), 12), default=LAYERS, show_default=True)
@click.option(
    "--posts", "number", default=POSTS, show_default=True, type=click.IntRange(min=1), help="Number of posts to enrich."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per row.")
def main(folder: Path, data: Path, layers: tuple[int, ...], number: int, as_json: bool) -> None:
    """Measure speed (posts a second) and size (MB) of models of several depths; the ratio is relative to the first."""
    work = Work(data, folder)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        texts = Path(name) / "texts.json"
        texts.write_text(json.dumps(real_posts(data / DATA.name, number)), "utf-8")
        for depth in layers:
            weights = Path(name) / str(depth)
            size = build(work, depth, weights)
            speed = measure("serve", texts, number, weights)["posts_per_second"]
            first = rows[0].ours if rows else speed
            rows.append(
                Row(
                    f"{depth} layers, {size / 1e6:.1f} MB",
                    speed,
                    "posts/s",
                    f"{layers[0]} layers",
                    first,
                    speed / first,
                )
            )
    show(rows, "layers × posts/s × MB", as_json=as_json)


if __name__ == "__main__":
    main()
