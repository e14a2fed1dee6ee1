"""`python -m models`: the model without the pipeline."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from models.campaign import read_topics
from models.cli_common import Load, failing, model_options
from models.eval_cli import evaluate
from models.train_cli import train

_READ_BYTES = 1 << 20


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Language, sentiment and topics of posts.

    \b
    Exit codes: 0 done, 2 wrong usage, 65 unreadable data, 70 damaged model files, 73 results cannot be written.
    """


main.add_command(evaluate)
main.add_command(train)


@main.command()
@click.option(
    "--topics",
    "topics_file",
    type=click.Path(path_type=Path),
    help="Campaign file (TOML) whose [[topics]] tables are scored as well.",
)
@model_options
def enrich(topics_file: Path | None, load: Load) -> None:
    """Read one text a line from standard input, write one JSON object a line, in order.

    \b
    Examples:
      echo "What a lovely dog!" | python -m models enrich
      python -m models enrich --topics campaign.toml < posts.txt > enriched.jsonl
      python -m models enrich --backend torch --precision f32 < posts.txt
      python -m models enrich --backend hub --hub-sentiment ./my-classifier < posts.txt

    Bytes that are not UTF-8 are replaced; an empty line gets an answer like any other.
    """
    with failing():
        topics = read_topics(topics_file) if topics_file else ()
        enricher = load(campaign_topics=topics)
    output = click.get_binary_stream("stdout")
    encoder = msgspec.json.Encoder()
    for texts in _lines(click.get_binary_stream("stdin")):
        output.write(encoder.encode_lines(enricher.enrich(texts)))
        output.flush()


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
