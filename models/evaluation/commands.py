"""The tasks of `python -m models eval`."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Literal, cast

import click
import msgspec
from msgspec import Struct
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from models.campaign import read_topics
from models.cli_common import Load, model_options, writing
from models.enricher import Enricher
from models.enrichment import ACTS, EMOTIONS
from models.errors import MissingHead, TopicsFileError
from models.evaluation import (
    JudgedPosts,
    agreement_report,
    campaign_report,
    judge,
    label_report,
    language_report,
    match_topics,
    name_labels,
    name_languages,
    pooled,
    read_campaign_posts,
    read_domains,
    read_language,
    read_sentiment,
    read_tagged,
    read_topic_posts,
    sentiment_report,
    tables,
    topic_report,
)
from models.evaluation.answers import Advance, model_of
from models.evaluation.error_rates import UMSAB_LANGUAGES, JudgedDomain, error_rates
from models.evaluation.plots import write_plots
from models.prior_shift import write_rates


def _task(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options shared by all tasks. The cache is disabled, so every text is computed."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    @model_options
    @wraps(command)
    def with_options(*, load: Load, **others: object) -> None:
        command(load=partial(load, cache_size=0), **others)

    return with_options


def _data(help_text: str, *, multiple: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option("--data", required=True, multiple=multiple, type=click.Path(path_type=Path), help=help_text)


_TABLE = "Tab-separated file with a header and the columns lang, label and text."

tasks = click.Group()


@tasks.command()
@_data(
    "Folder with {split}_text.txt and {split}_labels.txt, or with one such folder per language; or a TSV file. Repeatable.",
    multiple=True,
)
@click.option("--split", default="val", show_default=True, help="Data split of a folder: the prefix of the file names.")
@click.option("--rates", type=click.Path(path_type=Path), help="Write the sentiment error rates to this JSON file.")
@click.option(
    "--plots", type=click.Path(path_type=Path), help="Write calibration.png and confusion.png to this folder."
)
@_task
def sentiment(
    data: tuple[Path, ...], split: str, rates: Path | None, plots: Path | None, as_json: bool, load: Load
) -> None:
    """Report macro-F1 (per cent) and other scores of the sentiment, per folder or language and averaged over them.

    A folder has one text per line and one label per line: 0 negative, 1 neutral, 2 positive. A TSV file has a header and
    the columns lang, label (negative, neutral or positive) and text, without quoting. Labels that no post of a folder or
    language has are not scored in it. The error rates of each folder, and of each language of a file, are those of a domain.

    \b
    Examples:
      python -m models eval sentiment --data umsab --split val --json
      python -m models eval sentiment --data tweets.tsv --data reviews.tsv
      python -m models eval sentiment --data umsab --plots pictures --rates rates.json
    """
    domains = read_domains(data, split)
    enricher = load()
    with _progress(sum(len(each.posts.texts) for each in domains.values())) as advance:
        judged = {name: judge(enricher, each.posts, advance) for name, each in domains.items()}
    model = model_of(enricher)
    with writing():
        if rates:
            languages = {name: UMSAB_LANGUAGES.get(each.entry, each.entry) for name, each in domains.items()}
            measured = {name: JudgedDomain(languages[name], posts) for name, posts in judged.items()}
            write_rates(error_rates(measured, model), rates)
        if plots:
            sources = [path.name if path.is_file() else f"{path.resolve().name}, {split}" for path in data]
            write_plots(plots, pooled(judged.values()), model, "; ".join(sources))
    entries: dict[str, list[JudgedPosts]] = {}
    for name, each in domains.items():
        entries.setdefault(each.entry, []).append(judged[name])
    is_split = not all(path.is_file() for path in data)
    report = sentiment_report(
        {entry: pooled(posts) for entry, posts in entries.items()}, split if is_split else None, model
    )
    _show(report, tables.sentiment_tables(report), as_json)


@tasks.command()
@_data("Folder with one text file per language, named by its BCP-47 code: en.txt, hi-Latn.txt.")
@_task
def language(data: Path, as_json: bool, load: Load) -> None:
    """Report the accuracy (per cent) of the language, per file, averaged over files, and over all texts.

    One text per line; blank lines are skipped.

    \b
    Example:
      python -m models eval language --data sentences --json
    """
    files = read_language(data)
    enricher = load()
    with _progress(sum(map(len, files.values()))) as advance:
        answers = {code: name_languages(enricher, texts, advance) for code, texts in files.items()}
    report = language_report(answers, model_of(enricher))
    _show(report, tables.language_tables(report), as_json)


@tasks.command()
@_data("Folder with *.jsonl files: one post per line, with its text and a key with 0 or 1 for each topic.")
@_task
def topic(data: Path, as_json: bool, load: Load) -> None:
    """Report the F1 (0 to 1) of the topics, per file, per topic and overall.

    \b
    Example line in the format of the X-Topic data set (id and topics are optional):
      {"id": 1, "text": "...", "music": 1, "sports": 0, ..., "topics": ["Music"]}

    \b
    Example:
      python -m models eval topic --data x_topic --json
    """
    enricher = load()
    files = read_topic_posts(data, enricher.labels_of("topics"))
    with _progress(sum(len(posts.texts) for posts in files.values())) as advance:
        answers = {name: name_labels(enricher, "topics", posts.texts, advance) for name, posts in files.items()}
    report = topic_report(files, answers, model_of(enricher))
    _show(report, tables.topic_tables(report), as_json)


@tasks.command()
@_data(_TABLE)
@_task
def emotion(data: Path, as_json: bool, load: Load) -> None:
    """Report the F1 (0 to 1) of the emotions, per language, per emotion and overall.

    The columns are lang, label and text, without quoting; several labels are separated by commas. Labels: anger, disgust,
    fear, joy, sadness, surprise, support; none, neutral, other or others mean none of them.

    \b
    Example line:
      en<TAB>anger,sadness<TAB>How could they do this to us?

    \b
    Example:
      python -m models eval emotion --data emotions.tsv --json
    """
    _score_labels("emotion", "emotions", EMOTIONS, data, as_json, load)


@tasks.command()
@_data(_TABLE)
@_task
def act(data: Path, as_json: bool, load: Load) -> None:
    """Report the F1 (0 to 1) of the acts of speech, per language, per act and overall.

    The columns are lang, label and text, without quoting; several labels are separated by commas. Labels: question,
    request, complaint, thanks, threat, statement; none, neutral, other or others mean none of them.

    \b
    Example line:
      en<TAB>complaint,question<TAB>Why is nobody answering the phone?

    \b
    Example:
      python -m models eval act --data acts.tsv --json
    """
    _score_labels("act", "acts", ACTS, data, as_json, load)


@tasks.command()
@_data("CSV or TSV file with a header.")
@click.option("--text-column", required=True, help="Name of the text column.")
@click.option(
    "--label-column", required=True, help="Name of the label column: the name of a topic; any other value is no topic."
)
@click.option(
    "--topics",
    "topics_file",
    required=True,
    type=click.Path(path_type=Path),
    help="Campaign file (TOML) with the [[topics]] to score.",
)
@_task
def campaign(data: Path, text_column: str, label_column: str, topics_file: Path, as_json: bool, load: Load) -> None:
    """Report scores (0 to 1) of the topics in a campaign file, per topic and overall.

    \b
    Example:
      python -m models eval campaign --data crash.csv --topics crash.toml \\
        --text-column "Tweet Text" --label-column "Information Type"
    """
    posts = read_campaign_posts(data, text_column, label_column)
    topics = read_topics(topics_file)
    if not topics:
        raise TopicsFileError(f"{topics_file} has no [[topics]] to score: add at least one")
    enricher = cast("Enricher", load(campaign_topics=topics))  # the hub back end rejects campaign topics
    with _progress(len(posts.texts)) as advance:
        answers = match_topics(enricher, topics, posts.texts, advance)
    report = campaign_report([topic.name for topic in topics], posts.labels, answers, model_of(enricher))
    _show(report, tables.campaign_tables(report), as_json)


@tasks.command()
@_data("Folder with {split}_text.txt and {split}_labels.txt, or with one such folder per language.")
@click.option("--split", default="val", show_default=True, help="Data split: the prefix of the file names.")
@click.option(
    "--reference",
    type=click.Choice(["openvino", "onnx", "torch"]),
    default="openvino",
    show_default=True,
    help="Back end that computes the full-precision answers.",
)
@_task
def agreement(
    data: Path, split: str, reference: Literal["openvino", "onnx", "torch"], as_json: bool, load: Load
) -> None:
    """Report agreement (0 to 1) with the shipped model in full precision, and with itself on single posts.

    \b
    Examples:
      python -m models eval agreement --data umsab
      python -m models eval agreement --data umsab --backend onnx --precision int8 --reference torch --json
    """
    texts = [text for posts in read_sentiment(data, split).values() for text in posts.texts]
    enricher = load()
    exact = Enricher.load(backend=reference, precision="f32", cache_size=0)
    with _progress(3 * len(texts)) as advance:
        report = agreement_report(enricher, exact, texts, advance)
    _show(report, tables.agreement_tables(report), as_json)


def _score_labels(task: str, head: str, known: Sequence[str], data: Path, as_json: bool, load: Load) -> None:
    posts = read_tagged(data, known)
    enricher = load()
    if not enricher.labels_of(head):
        raise MissingHead(f"{enricher.name} {enricher.version}", head)
    with _progress(sum(len(each.texts) for each in posts.values())) as advance:
        answers = {code: name_labels(enricher, head, each.texts, advance) for code, each in posts.items()}
    report = label_report(task, posts, answers, model_of(enricher))
    _show(report, tables.label_tables(report), as_json)


@contextmanager
def _progress(posts: int) -> Iterator[Advance]:
    columns = (TextColumn("posts"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("posts", total=posts)
        yield lambda done: bar.advance(task, done)


def _show(report: Struct, shown: Sequence[RenderableType], as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        Console().print(*shown, sep="\n")
