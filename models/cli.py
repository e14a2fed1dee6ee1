"""`python -m models`: the model without the pipeline."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NoReturn

import click
import msgspec

from models.campaign import read_topics
from models.enricher import Enricher
from models.errors import ArtefactError, ModelError
from models.evaluation import read_sentiment, score_sentiment

BAD_DATA = 65
"""Exit code for input that cannot be read (EX_DATAERR of sysexits.h)."""

BROKEN_INSTALL = 70
"""Exit code for damaged model files (EX_SOFTWARE)."""

_READ_BYTES = 1 << 20

_threads = click.option("--threads", type=click.IntRange(min=1), help="Threads to compute on.  [default: all]")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Language, sentiment and topics of posts.

    \b
    Exit codes: 0 done, 2 wrong usage, 65 unreadable data, 70 damaged model files.
    """


@main.command()
@click.option(
    "--topics",
    "topics_file",
    type=click.Path(path_type=Path),
    help="Campaign file (TOML) whose [[topics]] tables are scored as well.",
)
@_threads
def enrich(topics_file: Path | None, threads: int | None) -> None:
    """Read one text a line from standard input, write one JSON object a line, in order.

    \b
    Examples:
      echo "What a lovely dog!" | python -m models enrich
      python -m models enrich --topics campaign.toml < posts.txt > enriched.jsonl

    Bytes that are not UTF-8 are replaced; an empty line gets an answer like any other.
    """
    try:
        topics = read_topics(topics_file) if topics_file else ()
        enricher = Enricher.load(threads=threads, campaign_topics=topics)
    except ModelError as error:
        _fail(error)
    output = click.get_binary_stream("stdout")
    encoder = msgspec.json.Encoder()
    for texts in _lines(click.get_binary_stream("stdin")):
        output.write(encoder.encode_lines(enricher.enrich(texts)))
        output.flush()


@main.group("eval")
def evaluate() -> None:
    """Score the model on labelled posts."""


@evaluate.command()
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder with {split}_text.txt and {split}_labels.txt, or with one such folder per language.",
)
@click.option("--split", default="val", show_default=True, help="Which files of the folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@_threads
def sentiment(data: Path, split: str, as_json: bool, threads: int | None) -> None:
    """Macro-F1 (per cent) of the sentiment, per folder and their mean.

    A text a line; a label a line: 0 negative, 1 neutral, 2 positive.

    \b
    Example:
      python -m models eval sentiment --data umsab --split val --json
    """
    try:
        folders = read_sentiment(data, split)
        enricher = Enricher.load(threads=threads, cache_size=0)
    except ModelError as error:
        _fail(error)
    scores = {name: score_sentiment(enricher, posts) for name, posts in folders.items()}
    mean = round(sum(score.macro_f1 for score in scores.values()) / len(scores), 2)
    if as_json:
        document = {
            "task": "sentiment",
            "split": split,
            "languages": scores,
            "mean": {"macro_f1": mean},
            "model": {"name": enricher.name, "version": enricher.version},
        }
        click.echo(msgspec.json.encode(document))
        return
    for name, score in scores.items():
        click.echo(f"{name:<12} {score.macro_f1:6.2f}  ({score.posts} posts)")
    click.echo(f"{'mean':<12} {mean:6.2f}")


def _lines(stream: BinaryIO) -> Iterator[list[str]]:
    """Yield the lines that have arrived, so that a slow writer gets its answers at once and a file large batches."""
    rest = b""
    while chunk := _read_available(stream):
        *lines, rest = (rest + chunk).split(b"\n")
        if lines:
            yield [_text(line) for line in lines]
    if rest:
        yield [_text(rest)]


def _read_available(stream: BinaryIO) -> bytes:
    read = getattr(stream, "read1", stream.read)
    chunk: bytes = read(_READ_BYTES)
    return chunk


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "replace")


def _fail(error: ModelError) -> NoReturn:
    click.echo(f"Error: {error}", err=True)
    sys.exit(BROKEN_INSTALL if isinstance(error, ArtefactError) else BAD_DATA)
