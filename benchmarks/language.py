"""The language head beside well-kept detectors: `python benchmarks/language.py [--json]`.

On sentences and fragments that no training saw, and on UMSAB's validation posts. The detectors are no dependencies: `pip
install eld py3langid` first; what is missing is left out. "Vote": where the head is unsure, the detector decides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TypeVar

import click
from model import DATA
from rows import Row, show

from models.artefact import WEIGHTS
from models.enricher import NO_LANGUAGE, Enricher
from models.evaluation.language import name_languages
from models.training import corpus, recipe
from models.training.data import TrainingRow as Text

SETS = {"lingua-held": "sentences", "fragment-held": "2 to 6 words", "umsab-val": "posts"}
UNSURE = 0.9

T = TypeVar("T")
Detect = Callable[[Sequence[str]], Sequence[str]]
"""The code of the language of each text."""


def eld() -> Detect:
    detector = import_module("eld").LanguageDetector()
    return lambda texts: [detector.detect(text).language or NO_LANGUAGE for text in texts]


def py3langid() -> Detect:
    classify = import_module("py3langid").classify
    return lambda texts: [classify(text)[0] for text in texts]


def timed(detect: Callable[[Sequence[str]], T], texts: Sequence[str]) -> tuple[T, float]:
    """What was found, and the microseconds that a text took."""
    began = time.perf_counter()
    found = detect(texts)
    return found, 1e6 * (time.perf_counter() - began) / len(texts)


def same(code: str, language: str) -> bool:
    """Detectors know one Norwegian and no script."""
    return code == language or (code == "no" and language == "nb") or (code == "nb" and language == "no")


def accuracy(codes: Sequence[str], texts: Sequence[Text]) -> float:
    right = sum(same(code, text.language or "") for code, text in zip(codes, texts, strict=True))
    return 100 * right / len(texts)


@click.command()
@click.option("--data", default=DATA.parent, type=click.Path(path_type=Path), help="The data sets of the training.")
@click.option("--weights", default=WEIGHTS, type=click.Path(path_type=Path), help="Folder of a model.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row.")
def main(data: Path, weights: Path, as_json: bool) -> None:
    """Accuracy in per cent and microseconds a text; the ratio is that of the accuracies."""
    held = corpus.build(data, recipe.SEED)
    enricher = Enricher.load(weights, cache_size=0)
    rows: list[Row] = []
    peers: dict[str, Detect] = {}
    for load in (eld, py3langid):
        try:
            peers[load.__name__] = load()
        except ImportError as error:
            click.echo(f"Not measured: {error}", err=True)
    for source, what in SETS.items():
        texts = [row for row in held if row.source == source]
        written = [row.text for row in texts]
        ours, cost = timed(partial(name_languages, enricher), written)
        score = accuracy(ours.codes, texts)
        for name, peer in peers.items():
            theirs, price = timed(peer, written)
            other = accuracy(theirs, texts)
            rows.append(
                Row(
                    f"{what}: the model ({cost:,.0f} µs)", score, "%", f"{name} ({price:,.0f} µs)", other, score / other
                )
            )
            vote = [
                mine if sure >= UNSURE else its for mine, sure, its in zip(ours.codes, ours.scores, theirs, strict=True)
            ]
            both = accuracy(vote, texts)
            rows.append(
                Row(f"{what}: {name} where the model is below {UNSURE}", both, "%", "the model", score, both / score)
            )
    show(rows, "languages", as_json=as_json)


if __name__ == "__main__":
    main()
