"""The command line `python -m models`: the model without the pipeline."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from models.campaign import read_topics
from models.cli_common import Load, failing, model_options
from models.eval_cli import evaluate
from models.languages import language_of
from models.train_cli import train

_READ_BYTES = 1 << 20


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Detect the language, sentiment and topics of posts.

    \b
    Exit codes: 0 success, 2 usage error, 65 unreadable input, 70 damaged model files, 73 output cannot be written.
    """


main.add_command(evaluate)
main.add_command(train)


@main.command()
@click.option(
    "--topics",
    "topics_file",
    type=click.Path(path_type=Path),
    help="Campaign file (TOML) whose [[topics]] are scored as well.",
)
@click.option(
    "--language-hint",
    metavar="CODE",
    callback=lambda _context, _option, value: _known_language(value),
    help="Language that the network states for the texts, such as de, pt-BR or de,en; weighed like that of a post.",
)
@model_options
def enrich(topics_file: Path | None, language_hint: str | None, load: Load) -> None:
    """Enrich each line of standard input.

    Reads one text per line and writes one JSON object per line, in order.

    \b
    Examples:
      echo "What a lovely dog!" | python -m models enrich
      python -m models enrich --topics campaign.toml < posts.txt > enriched.jsonl
      python -m models enrich --language-hint sv < posts.txt
      python -m models enrich --backend torch --precision f32 < posts.txt
      python -m models enrich --backend hub --hub-sentiment ./my-classifier < posts.txt

    Invalid UTF-8 bytes are replaced. An empty line is enriched like any other.
    """
    with failing():
        topics = read_topics(topics_file) if topics_file else ()
        enricher = load(campaign_topics=topics)
    output = click.get_binary_stream("stdout")
    encoder = msgspec.json.Encoder()
    for texts in _lines(click.get_binary_stream("stdin")):
        output.write(encoder.encode_lines(enricher.enrich(texts, [language_hint] * len(texts))))
        output.flush()


def _known_language(hint: str | None) -> str | None:
    """Check that a hint consists of language codes, unless the caller gives none."""
    if hint and (unknown := [code for code in hint.split(",") if language_of(code) is None]):
        raise click.BadParameter(f"{', '.join(unknown)} is not a language code such as de or pt-BR")
    return hint


def _lines(stream: BinaryIO) -> Iterator[list[str]]:
    """Yield the lines received so far: a slow writer gets its answers at once, a file is read in large batches."""
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
